"""MLflow."""

from __future__ import annotations

import time
from typing import Any

from gankit.callbacks.base import Callback, Event
from gankit.callbacks.library import require

STATUS = {"done": "FINISHED", "stopped": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


class MLflow(Callback):
    """MLflow: losses, learning rates, speed, figures and sample grids of a run; the recipe is an artifact of it.

    A resumed training goes on in the same run there.

    Args:
        experiment: the experiment to which the runs belong. It is created if it does not exist.
        name: the name of the run. None takes that of its folder.
        tracking_uri: the address of a server, or of a database such as `sqlite:///mlflow.db`. None leaves it to
            MLFLOW_TRACKING_URI.

    Raises ValueError where mlflow is not installed.
    """

    def __init__(self, experiment: str = "gankit", name: str | None = None, tracking_uri: str | None = None) -> None:
        require("mlflow")
        self.experiment, self.name, self.tracking_uri = experiment, name, tracking_uri
        self._id: str | None = None
        self._client: Any = None

    def begin(self, event: Event) -> None:
        from mlflow import MlflowClient  # pyright: ignore[reportMissingImports]

        self._client = MlflowClient(tracking_uri=self.tracking_uri)
        if self._id is not None:
            self._client.update_run(self._id, status="RUNNING")
            return
        known = self._client.get_experiment_by_name(self.experiment)
        where = known.experiment_id if known else self._client.create_experiment(self.experiment)
        self._id = self._client.create_run(where, run_name=self.name or event.run.resolve().name).info.run_id
        self._client.log_dict(self._id, dict(event.recipe), "recipe.json")

    def log(self, event: Event) -> None:
        from mlflow.entities import Metric  # pyright: ignore[reportMissingImports]

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, event.step) for name, value in event.scalars.items()]
        self._client.log_batch(self._id, metrics=metrics)

    measured = evaluated = log

    def sample(self, event: Event) -> None:
        self._client.log_image(self._id, event.picture, key="samples", step=event.step)

    def end(self, event: Event) -> None:
        self._client.set_terminated(self._id, status=STATUS[event.outcome])

    def state_dict(self) -> dict[str, Any]:
        return {"id": self._id}

    def load_state_dict(self, state: Any) -> None:
        self._id = state["id"]
