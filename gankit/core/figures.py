"""The names of figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def called(row: Mapping[str, Any]) -> str:
    """The name of a row of figures: its metric, with the label where a metric has several rows."""
    return f"{row['metric']} {row['label']}" if row.get("label") else str(row["metric"])


def tracked(row: Mapping[str, Any]) -> str:
    """The same in letters that every tracker takes: words, dots, hyphens, spaces and slashes."""
    label = re.sub(r"[^\w.-]+", "_", str(row.get("label") or "")).strip("_")
    return f"{row['metric']} {label}".rstrip()
