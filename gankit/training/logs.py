"""What a training tells while it runs: metrics.jsonl, TensorBoard, progress on the terminal."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gankit.core.errors import GankitError
from gankit.training.run import Run


class Meter:
    """Means of the losses, and the speed, since the last line of the log. `seconds` counts the training alone."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = time.perf_counter()
        self._clear()

    def _clear(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._images, self._interval = 0, 0.0

    def restart_clock(self) -> None:
        """What happened since the last step (sampling, saving) was not training."""
        self._since = time.perf_counter()

    def add(self, losses: Mapping[str, float]) -> None:
        """Count the losses of one step."""
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def tick(self, images: int) -> None:
        """Count the time and the pictures of one step."""
        now = time.perf_counter()
        self._interval += now - self._since
        self.seconds += now - self._since
        self._since = now
        self._images += images

    @property
    def speed(self) -> float:
        """Images a second."""
        return self._images / self._interval if self._interval else 0.0

    def take(self) -> dict[str, Any]:
        """`time`, `losses` and `images_per_second` for a line of the log; the means begin anew."""
        losses = {name: total / self._counts[name] for name, total in self._sums.items()}
        line = {"time": round(self.seconds, 3), "losses": losses, "images_per_second": round(self.speed, 2)}
        self._clear()
        return line

    def state_dict(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_since"}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        vars(self).update({k: state[k] for k in self.state_dict()})


class Log:
    """Writes a run's log. Only the first process has one. Raises GankitError when the disk refuses."""

    def __init__(self, run: Run, start: int, total: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.total = total
        self._path = run.metrics
        self._file = _guarded(self._path, lambda: open(self._path, "a", encoding="utf-8"))  # noqa: SIM115
        board, purge = run.path / "tensorboard", start + 1 if start else None
        self._board = _guarded(board, lambda: SummaryWriter(str(board), purge_step=purge))
        self._console = Console(stderr=True)
        self._progress = self._bar(start) if self._console.is_terminal else None

    def _bar(self, start: int) -> Progress:
        columns = (
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]:.1f} images/s"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}", style="dim"),
        )
        progress = Progress(*columns, console=self._console)
        progress.add_task("train", total=self.total, completed=start, losses="", speed=0.0)
        progress.start()
        return progress

    def step(self, step: int, losses: Mapping[str, float], speed: float) -> None:
        """Move the progress bar."""
        if self._progress:
            task = self._progress.task_ids[0]
            self._progress.update(task, completed=step, losses=brief(losses), speed=speed)

    def line(self, record: Mapping[str, Any]) -> None:
        """Write one line of metrics, and say it where there is no progress bar."""

        def write() -> None:
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()
            for group in ("losses", "lr"):
                for name, value in record[group].items():
                    self._board.add_scalar(f"{group}/{name}", value, record["step"])
            self._board.add_scalar("images_per_second", record["images_per_second"], record["step"])

        _guarded(self._path, write)
        if not self._progress:
            self.say(self._plain(record))

    def _plain(self, record: Mapping[str, Any]) -> str:
        left = self.total - record["step"]
        parts = [f"step {record['step']}/{self.total}", f"epoch {record['epoch'] + 1}", brief(record["losses"])]
        if record["images_per_second"]:
            seconds = record["time"] / max(record["step"], 1) * left
            parts += [f"{record['images_per_second']:.1f} images/s", f"{duration(seconds)} left"]
        return "  ".join(parts)

    def picture(self, path: Path, picture: Image.Image, step: int) -> None:
        """Save a grid of samples."""
        import numpy as np

        draft = path.with_name(f".{path.name}.part")

        def write() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(draft, "PNG")
            os.replace(draft, path)
            self._board.add_image("samples", np.asarray(picture), step, dataformats="HWC")

        _guarded(path, write)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        if self._progress:
            self._progress.stop()
        try:
            _guarded(self._path, self._file.close)  # what a full disk has refused is tried again here
        finally:
            _guarded(self._path.with_name("tensorboard"), self._board.close)


def brief(losses: Mapping[str, float]) -> str:
    """Each term's sum over directions: `generator adversarial 0.61 cycle 1.20  discriminator adversarial 0.48`."""
    sides: dict[str, dict[str, float]] = {}
    for key, value in losses.items():
        side, name = key.split("/")[:2]
        terms = sides.setdefault(side, {})
        terms[name] = terms.get(name, 0.0) + value
    return "  ".join(f"{side} " + " ".join(f"{n} {v:.3g}" for n, v in terms.items()) for side, terms in sides.items())


def duration(seconds: float) -> str:
    """`2 h 05 min`, `12 min`, `40 s`."""
    minutes = math.ceil(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _guarded(path: Path, action: Any) -> Any:
    try:
        return action()
    except OSError as e:
        text = f"{path}: cannot be written: {(e.strerror or str(e)).lower()}; make room and go on with --resume"
        raise GankitError(text) from e
