"""`gankit plugins`"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from packaging.utils import canonicalize_name

from gankit.cli import extensions
from gankit.cli.common import Json, print_json, print_table
from gankit.cli.main import COMMANDS
from gankit.core.builtins import BUILTINS
from gankit.core.library import shipped
from gankit.core.plugins import Status, statuses
from gankit.core.registry import BUILTIN

Owners = dict[tuple[str, str], list[str]]


def plugins(
    trace: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show the traceback of a plugin that failed to load.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the plugins with version, state, loading time, what they add, and names that clash."""
    extensions.commands()
    if trace is not None:
        traced = [s for s in statuses() if s.dist == canonicalize_name(trace)]
        if not traced:
            raise typer.BadParameter(f"no plugin called {trace} is installed", param_hint="--trace")
        for status in traced:
            print(status.trace or f"{status.dist} {status.version}: {status.state} {status.reason}".strip())
    elif as_json:
        owners = _owners()
        print_json([_plain(s, owners) for s in statuses()])
    elif not statuses():
        print("no plugins are installed")
    else:
        owners = _owners()
        print_table(row for s in statuses() for row in _rows(s, owners))


def _rows(status: Status, owners: Owners) -> Iterator[tuple[str, ...]]:
    """One row, and one for each thing that is to be known."""
    said = [status.reason] if status.reason else []
    added = [", ".join(f"{sort} {name}" for sort, name in _adds(status))] if status.state != "refused" else []
    clashes = [
        f"{c['what']} is also a name of {', '.join(c['with'])}: call this one {c['as']}"
        for c in _clashes(status, owners)
    ]
    slow = ["loads slowly, and every command waits for it"] if status.slow else []
    torch = ["imports torch when it is loaded"] if status.imports_torch else []
    api = "" if status.api is None else f"API {status.api}"
    head = (status.dist, status.version, status.state, api, f"{status.load_ms:.0f} ms")
    for number, line in enumerate(filter(None, [*said, *added, *clashes, *slow, *torch]) or [""]):
        yield (*(head if number == 0 else [""] * len(head)), line)


def _adds(status: Status) -> list[tuple[str, str]]:
    """(kind, name) of everything."""
    parts = [(c.kind, c.name) for c in status.entries]
    return [
        *parts,
        *(("recipe", name) for name in status.recipes),
        *(("command", name) for name in status.commands or ()),
    ]


def _owners() -> Owners:
    """Everything by kind and name -> the distributions that have it, in the order in which they get it."""
    owners: Owners = {}
    own = [(kind, name) for kind, name, *_ in BUILTINS] + [("command", name) for name in COMMANDS]
    own += [("recipe", name) for name, recipe in shipped().items() if recipe.source == BUILTIN]
    for thing in own:
        owners[thing] = [BUILTIN]
    for status in statuses():
        for thing in _adds(status):
            owners.setdefault(thing, []).append(status.dist)
    return owners


def _clashes(status: Status, owners: Owners) -> list[dict[str, Any]]:
    """What others have too, and how to name this plugin's. A part that two plugins have must be named in full."""
    clashes = []
    for sort, name in _adds(status):
        others = [dist for dist in owners[sort, name] if dist != status.dist]
        first = owners[sort, name][0] == status.dist and sort in ("recipe", "command")
        if others:
            clashes.append({"what": f"{sort} {name}", "with": others, "as": name if first else f"{status.dist}/{name}"})
    return clashes


def _plain(status: Status, owners: Owners) -> dict[str, Any]:
    return {
        "distribution": status.dist,
        "version": status.version,
        "module": status.module,
        "state": status.state,
        "reason": status.reason,
        "api": status.api,
        "components": [{"kind": c.kind, "name": c.name} for c in status.entries],
        "recipes": list(status.recipes),
        "commands": list(status.commands or ()),
        "clashes": _clashes(status, owners),
        "load_ms": round(status.load_ms, 1),
        "slow": status.slow,
        "imports_torch": status.imports_torch,
    }
