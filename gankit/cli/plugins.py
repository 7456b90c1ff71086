"""`gankit plugins`"""

from __future__ import annotations

from typing import Annotated

import typer

from gankit.cli.common import Json, print_json, print_table
from gankit.core import registry
from gankit.core.plugins import Status, canonical, statuses


def plugins(
    trace: Annotated[str | None, typer.Option(metavar="NAME", help="The traceback of a plugin that failed.")] = None,
    as_json: Json = False,
) -> None:
    """List the plugins: distribution, version, state, what they add, time to load."""
    registry.components()
    if trace is not None:
        found = [s for s in statuses() if s.dist == canonical(trace)]
        if not found:
            raise typer.BadParameter(f"no plugin {trace} is installed", param_hint="--trace")
        for status in found:
            print(status.trace or f"{status.dist} {status.version}: {status.state}")
    elif as_json:
        print_json([_plain(s) for s in statuses()])
    elif not statuses():
        print("no plugins are installed")
    else:
        print_table((s.dist, s.version, s.state, f"{s.load_ms:.0f} ms", s.reason or _adds(s)) for s in statuses())


def _adds(status: Status) -> str:
    parts = [f"{c.kind} {c.name}" for c in status.components] + [f"recipe {name}" for name in status.recipes]
    return ", ".join(parts)


def _plain(status: Status) -> dict[str, object]:
    return {
        "distribution": status.dist,
        "version": status.version,
        "module": status.module,
        "state": status.state,
        "reason": status.reason,
        "components": [{"kind": c.kind, "name": c.name} for c in status.components],
        "recipes": list(status.recipes),
        "load_ms": round(status.load_ms, 1),
    }
