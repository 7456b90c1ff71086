"""Generators: made with `in_channels, out_channels`; they take and give images in [-1, 1]."""
