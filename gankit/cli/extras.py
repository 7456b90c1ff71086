"""What a command needs beyond gankit itself."""

from __future__ import annotations

from importlib.util import find_spec

from gankit.core.errors import GankitError


def require(extra: str, *modules: str) -> None:
    """Raise GankitError, with what to install, where a module of an extra is missing."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise GankitError(f"{' and '.join(missing)} {verb} not installed: pip install 'gankit[{extra}]'")
