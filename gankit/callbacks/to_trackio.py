"""Trackio."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from gankit.callbacks.base import Callback, Event
from gankit.callbacks.library import require


class Trackio(Callback):
    """Trackio: losses, learning rates, speed, figures and sample grids of a run; the recipe is its config.

    A resumed training goes on in the same run there. Everything stays on this machine (TRACKIO_DIR says where) unless a
    space is named. `trackio show --project gankit` shows it.

    Args:
        project: the project to which the run belongs.
        name: the name of the run. None takes that of its folder, with a suffix that tells it from others of that name.
        space: a Space of Hugging Face that shows the run, as `user/space`.

    Raises ValueError where trackio is not installed.
    """

    def __init__(self, project: str = "gankit", name: str | None = None, space: str | None = None) -> None:
        require("trackio")
        self.project, self.name, self.space = project, name, space
        self._known: str | None = None
        self._run: Any = None

    def begin(self, event: Event) -> None:
        import trackio  # pyright: ignore[reportMissingImports]

        name = self._known or f"{self.name or event.run.resolve().name}-{uuid4().hex[:6]}"
        self._run = trackio.init(
            project=self.project,
            name=name,
            space_id=self.space,
            config=dict(event.recipe),
            resume="allow" if self._known else "never",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        self._known = self._run.name

    def log(self, event: Event) -> None:
        self._run.log(event.scalars, step=event.step)

    measured = evaluated = log

    def sample(self, event: Event) -> None:
        import trackio  # pyright: ignore[reportMissingImports]

        self._run.log({"samples": trackio.Image(event.picture)}, step=event.step)

    def end(self, event: Event) -> None:
        self._run.finish()

    def state_dict(self) -> dict[str, Any]:
        return {"name": self._known}

    def load_state_dict(self, state: Any) -> None:
        self._known = state["name"]
