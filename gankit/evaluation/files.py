"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from gankit.core.errors import GankitError


def write_whole(path: Path, content: str | bytes) -> None:
    """Write beside `path` and rename into place. Raises GankitError when that fails; the old file then stays."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
        draft.replace(path)
    except OSError as e:
        raise GankitError(f"{path}: cannot be written: {(e.strerror or str(e)).lower()}") from e
    finally:
        draft.unlink(missing_ok=True)
