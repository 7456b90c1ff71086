"""The registry, the schemas, recipes and plugins. Nothing here imports torch."""
