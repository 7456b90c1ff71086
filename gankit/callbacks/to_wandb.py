"""Weights & Biases."""

from __future__ import annotations

from typing import Any, Literal

from gankit.callbacks.base import Callback, Event
from gankit.callbacks.library import require


class WandB(Callback):
    """Weights & Biases: losses, learning rates, speed, figures and sample grids of a run; the recipe is its config.

    A resumed training goes on in the same run there. The library wandb decides where it writes to: its login, and the
    variables WANDB_MODE, WANDB_BASE_URL and others are its own.

    Args:
        project, entity: the project, and the user or team, to which the run goes.
        name: the name of the run. None takes that of its folder.
        mode: `offline` writes beside the run, for `wandb sync` later. None leaves it to WANDB_MODE.

    Raises ValueError where wandb is not installed.
    """

    def __init__(
        self,
        project: str = "gankit",
        entity: str | None = None,
        name: str | None = None,
        mode: Literal["online", "offline"] | None = None,
    ) -> None:
        require("wandb")
        self.project, self.entity, self.name = project, entity, name
        self.mode: Literal["online", "offline"] | None = mode
        self._id: str | None = None
        self._run: Any = None

    def begin(self, event: Event) -> None:
        import wandb  # pyright: ignore[reportMissingImports]

        self._run = wandb.init(
            project=self.project,
            entity=self.entity,
            name=self.name or event.run.resolve().name,
            id=self._id,
            resume="allow" if self._id else None,
            config=dict(event.recipe),
            dir=str(event.run),
            mode=self.mode,
            settings=wandb.Settings(console="off"),
        )
        self._id = self._run.id
        self._run.define_metric("*", step_metric="step")

    def log(self, event: Event) -> None:
        self._run.log({"step": event.step, **event.scalars})

    measured = evaluated = log

    def sample(self, event: Event) -> None:
        import wandb  # pyright: ignore[reportMissingImports]

        self._run.log({"step": event.step, "samples": wandb.Image(event.picture)})

    def end(self, event: Event) -> None:
        self._run.finish(exit_code=0 if event.outcome in ("done", "stopped") else 1)

    def state_dict(self) -> dict[str, Any]:
        return {"id": self._id}

    def load_state_dict(self, state: Any) -> None:
        self._id = state["id"]
