"""Trained methods on pictures, folders and films."""
