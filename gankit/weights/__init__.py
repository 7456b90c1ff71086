"""Weights of frozen networks: which files are known, where they are looked for, how they are read.

Nothing here imports torch before a file is read or fetched.
"""

from __future__ import annotations

from gankit.weights.known import KNOWN, KnownFile, known_of
from gankit.weights.store import (
    Found,
    WeightsError,
    add,
    find,
    folders,
    hugging_face,
    identify,
    listing,
    local,
    offline,
    own_folder,
    sha256,
)

__all__ = [
    "KNOWN",
    "Found",
    "KnownFile",
    "WeightsError",
    "add",
    "find",
    "folders",
    "hugging_face",
    "identify",
    "known_of",
    "listing",
    "local",
    "offline",
    "own_folder",
    "sha256",
]
