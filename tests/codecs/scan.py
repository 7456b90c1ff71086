"""A codec as a plugin for medical pictures would bring it: values of a file are scaled to units by its header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gankit.codecs.base import Codec, Header, Outside
from gankit.core.errors import DataError


class Scan(Codec):
    """One line of JSON (`rows`, `columns`, `slope`, `intercept`), then int16: (1, H, W), low..high HU <-> [-1, 1]."""

    extensions = frozenset({".scan"})
    default_extension = ".scan"

    def __init__(self, *, low: float = -1024, high: float = 3071, outside: Outside = "clip") -> None:
        super().__init__(low, high, "HU", outside)

    def header(self, path: Path) -> Header:
        head, _ = _parts(path)
        return Header(1, head["rows"], head["columns"], np.dtype(np.int16))

    def decode(self, path: Path) -> np.ndarray:
        head, rest = _parts(path)
        stored = np.frombuffer(rest, "<i2").reshape(1, head["rows"], head["columns"])
        return stored * head["slope"] + head["intercept"]

    def encode(self, values: np.ndarray, extension: str, like: Path | None) -> bytes:
        head = {"slope": 1, "intercept": 0} | (_parts(like)[0] if like else {})
        head |= {"rows": values.shape[1], "columns": values.shape[2]}
        stored = np.rint((values - head["intercept"]) / head["slope"]).astype("<i2")
        return json.dumps(head).encode() + b"\n" + stored.tobytes()


def _parts(path: Path) -> tuple[dict[str, Any], bytes]:
    line, _, rest = path.read_bytes().partition(b"\n")
    head = json.loads(line)
    if not isinstance(head, dict):
        raise DataError("it has no header")
    return head, rest
