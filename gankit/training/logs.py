"""What a training tells while it runs: metrics.jsonl, sample grids, progress on the terminal."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from PIL import Image
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from gankit.core.errors import GankitError
from gankit.core.figures import called
from gankit.core.files import drafting
from gankit.training.run import Run


class Meter:
    """Means of the losses and of what is watched, and the speed, since the last line of the log. `seconds` counts the
    training alone."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = time.perf_counter()
        self._clear()

    def _clear(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._watched_sums: dict[str, float] = {}
        self._watched_counts: dict[str, int] = {}
        self._images, self._interval = 0, 0.0

    def restart_clock(self) -> None:
        """What happened since the last step (sampling, saving) was not training."""
        self._since = time.perf_counter()

    def add(self, losses: Mapping[str, float], watched: Mapping[str, float] = MappingProxyType({})) -> None:
        """Count the losses of one step, and what is watched."""
        _count(losses, self._sums, self._counts)
        _count(watched, self._watched_sums, self._watched_counts)

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
        """`time`, `losses`, `images_per_second` and `watched` for a line of the log; the means begin anew."""
        line = {
            "time": round(self.seconds, 3),
            "losses": _means(self._sums, self._counts),
            "images_per_second": round(self.speed, 2),
            "watched": _means(self._watched_sums, self._watched_counts),
        }
        self._clear()
        return line

    def state_dict(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_since"}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        vars(self).update({k: state.get(k, v) for k, v in self.state_dict().items()})  # older ones watched nothing


def _count(values: Mapping[str, float], sums: dict[str, float], counts: dict[str, int]) -> None:
    for name, value in values.items():
        sums[name] = sums.get(name, 0.0) + value
        counts[name] = counts.get(name, 0) + 1


def _means(sums: Mapping[str, float], counts: Mapping[str, int]) -> dict[str, float]:
    return {name: total / counts[name] for name, total in sums.items()}


class _Bar(Progress):
    """The bar on a line of its own, so that it survives a narrow terminal; the losses below it."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        for task in self.tasks:
            yield Text(task.fields["losses"], style="dim")


class Log:
    """Writes a run's log. Only the first process has one. Raises GankitError when the disk refuses."""

    def __init__(self, run: Run, start: int, total: int) -> None:
        self.total = total
        self._path = run.metrics
        self._file = _guarded(self._path, lambda: open(self._path, "a", encoding="utf-8"))  # noqa: SIM115
        self._console = Console(stderr=True)
        self._progress = self._bar(start) if self._console.is_terminal else None

    def _bar(self, start: int) -> Progress:
        columns = (
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]:.1f} images/s"),
            TimeRemainingColumn(),
        )
        progress = _Bar(*columns, console=self._console)
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

        self._write(record)
        if not self._progress:
            self.say(self._plain(record))

    def _write(self, record: Mapping[str, Any]) -> None:
        def write() -> None:
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()

        _guarded(self._path, write)

    def measured(self, step: int, results: Sequence[Mapping[str, Any]]) -> None:
        """Write a line of figures, and say it."""
        self._write({"step": step, "measured": list(results)})
        figures: dict[str, list[str]] = {}
        for row in results:
            if row["value"] is not None:
                figures.setdefault(called(row), []).append(f"{row['direction']} {row['value']:.3g}".strip())
        told = "  ".join(f"{metric} {', '.join(values)}" for metric, values in figures.items())
        self.say(f"step {step}/{self.total}  measured  {told or 'nothing'}")

    def _plain(self, record: Mapping[str, Any]) -> str:
        left = self.total - record["step"]
        parts = [f"step {record['step']}/{self.total}", f"epoch {record['epoch'] + 1}", brief(record["losses"])]
        if record["images_per_second"]:
            seconds = record["time"] / max(record["step"], 1) * left
            parts += [f"{record['images_per_second']:.1f} images/s", f"{duration(seconds)} left"]
        return "  ".join(parts)

    def picture(self, path: Path, picture: Image.Image) -> None:
        """Save a grid of samples."""

        def write() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with drafting(path) as draft:
                picture.save(draft, "PNG")
                draft.replace(path)

        _guarded(path, write)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        if self._progress:
            self._progress.stop()
        _guarded(self._path, self._file.close)  # what a full disk has refused is tried again here


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
        text = f"{path}: cannot be written: {(e.strerror or str(e)).lower()}; make room and continue with --resume"
        raise GankitError(text) from e
