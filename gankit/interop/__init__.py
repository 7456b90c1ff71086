"""Weights of other projects -> gankit's networks, and the run directories that hold them."""
