"""How a run was made, for its report: each training with its date, command, commit and machine."""

from __future__ import annotations

from html import escape

from gankit.training import history
from gankit.training.run import Run

COLUMNS = {
    "date": "started",
    "from_step": "from step",
    "command": "command",
    "commit": "git commit",
    "device": "device",
}
VERSIONS = ("gankit", "torch", "python", "system")


def section(run: Run) -> str:
    """A table of HTML with a row for each training; a sentence where nothing was written down."""
    trainings = history.read(run)
    if not trainings:
        return '<p class="soft">Not written down: there is no history.json in the run.</p>'
    rows = "".join(f"<tr>{''.join(_cells(one))}<td class='p'>{escape(_versions(one))}</td></tr>" for one in trainings)
    head = "".join(f"<th>{name}</th>" for name in (*COLUMNS.values(), "versions"))
    return f'<div class="table"><table><tr>{head}</tr>{rows}</table></div>'


def _cells(one: history.Started) -> list[str]:
    shown = one | {"date": str(one["date"]).replace("T", " ")}
    if isinstance(one.get("processes"), int) and one["processes"] != 1:
        shown["device"] = f"{one['processes']} processes, {one.get('device', '')}"
    kinds = {"command": "p", "commit": "p"}
    return [f'<td class="{kinds.get(key, "n")}">{escape(str(shown.get(key, "-")))}</td>' for key in COLUMNS]


def _versions(one: history.Started) -> str:
    return " · ".join(f"{name} {one[name]}" if name != "system" else str(one[name]) for name in VERSIONS if name in one)
