"""Libraries that a callback needs and gankit does not."""

from __future__ import annotations

from importlib.util import find_spec


def require(library: str) -> None:
    """Raises ValueError, with the command that installs it, when a library is not there. It is not imported."""
    if find_spec(library) is None:
        raise ValueError(f"needs {library}, which is not installed: pip install 'gankit[{library}]'")
