"""Trained runs for others to use: an HTTP API, a page to try them on, and what both share."""
