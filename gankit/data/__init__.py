"""Folders, pairs and the built-in shapes; transforms; loaders."""
