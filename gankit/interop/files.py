"""Reading files of weights that others wrote; see `gankit.weights.files`, which backbones read theirs with."""

from __future__ import annotations

from gankit.weights.files import SUFFIXES, WRAPPERS, UnfitFile, read

__all__ = ["SUFFIXES", "WRAPPERS", "UnfitFile", "read"]
