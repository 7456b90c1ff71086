"""All that is to be known of a machine in one run: does it work there, and how fast, for a day on which a GPU is lent.

    python -m benchmarks.device --out DIR --junyanz ../pytorch-CycleGAN-and-pix2pix --ugatit ../UGATIT-pytorch

Stages, what matters most first, each a process of its own: one that fails, or hangs, costs itself alone. Every figure
is a line of DIR/figures.jsonl as soon as it is there; at the end, also after Ctrl-C, a table says what came of each
stage and which goals are met. On an H200 all together take `--limit` seconds at most. `--device cpu` takes the smallest
sizes: it shows that all stages run, and measures nothing; with `--full` it measures the CPU, in an hour.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.goals import Figure, Found, verdicts

LIMIT = {"cuda": 540, "cpu": 3600}
"""Seconds of all stages together, by device."""


@dataclass(frozen=True)
class Stage:
    """name: also what it is about, as `step/PROJECT/BATCH`. seconds: its share of the limit. work: `module:function`.
    devices: on which it runs; named: only when `--only` names it."""

    name: str
    seconds: float
    work: str
    devices: tuple[str, ...] = ("cuda", "cpu")
    named: bool = False


STAGES = [
    Stage("doctor", 30, "benchmarks.stages:doctor"),
    Stage("tests/kernels", 40, "benchmarks.tested:tests"),
    Stage("tests/large", 20, "benchmarks.tested:tests"),
    Stage("tests/recorded", 45, "benchmarks.tested:tests"),
    Stage("step/junyanz/1", 45, "benchmarks.stages:step"),
    Stage("step/ugatit/1", 45, "benchmarks.stages:step"),
    Stage("norms", 65, "benchmarks.stages:norms"),
    Stage("step/junyanz/16", 45, "benchmarks.stages:step", ("cuda",)),
    Stage("step/ugatit/8", 45, "benchmarks.stages:step", ("cuda",)),
    Stage("tests/resume", 15, "benchmarks.tested:tests"),
    Stage("tests/parts", 35, "benchmarks.tested:tests"),
    Stage("demo", 45, "benchmarks.stages:demo"),
    Stage("tests/compiled", 45, "benchmarks.tested:tests"),
    Stage("agit", 10, "benchmarks.stages:agit"),
    Stage("profile", 10, "benchmarks.stages:profile"),
    Stage("data", 60, "benchmarks.stages:group", ("cpu",)),
    Stage("startup", 30, "benchmarks.stages:group", ("cpu",)),
    Stage("loading", 60, "benchmarks.stages:loading", ("cpu",)),
    Stage("suite", 540, "benchmarks.stages:suite", ("cpu",), named=True),
]
"""In the order of their value."""


class Telling:
    """What a stage is given: the options, and where to tell its figures."""

    def __init__(self, stage: str, options: argparse.Namespace) -> None:
        self.stage, self.options = stage, options

    def __call__(self, figure: str, **values: Any) -> None:
        add(self.options.out, {"stage": self.stage, "figure": figure, **values})


def add(out: Path, line: Figure) -> None:
    """A line of figures.jsonl, which no later failure can take away."""
    text = json.dumps(_finite(line), default=str, allow_nan=False)
    print(text, flush=True)
    with (out / "figures.jsonl").open("a", encoding="utf-8") as file:
        file.write(text + "\n")


def _finite(value: Any) -> Any:
    """The same as JSON can say it: numbers that are not finite as words."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _cut_half_line(out: Path) -> None:
    """What a stage that was killed had begun to write."""
    file = out / "figures.jsonl"
    content = file.read_bytes()
    os.truncate(file, content.rfind(b"\n") + 1)


# -- the stages, each a process ----------------------------------------------------------------------------------------
def run(stages: Sequence[Stage], options: argparse.Namespace, command: Sequence[str]) -> None:
    """Run the stages one after the other. Each has its share of the limit, and what those before it have left over.

    command: begins a stage, when its name and its work are added. KeyboardInterrupt ends the stage that runs, and all.
    """
    start, shares, whole = time.monotonic(), 0.0, sum(stage.seconds for stage in stages)
    for stage in stages:
        shares += stage.seconds
        left = start + options.limit * shares / whole - time.monotonic()
        began = time.monotonic()
        outcome: Figure = {"outcome": "stopped", "why": "the whole was ended from outside"}
        try:
            outcome = _one(stage, left, options.out, command)
        finally:
            add(options.out, {"stage": stage.name, **outcome, "seconds": round(time.monotonic() - began, 1)})


def _one(stage: Stage, seconds: float, out: Path, command: Sequence[str]) -> Figure:
    """What became of a stage."""
    log = out / f"{stage.name.replace('/', '-')}.log"
    with log.open("w", encoding="utf-8") as file:
        child = subprocess.Popen(
            [*command, "--stage", stage.name, stage.work], stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = child.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            return {"outcome": "stopped", "why": f"it had not ended after {seconds:.0f} s"}
        finally:
            _end(child)
            _cut_half_line(out)
    if code == 0:
        return {"outcome": "done"}
    if code < 0:
        return {"outcome": "failed", "why": f"it was ended by {signal.Signals(-code).name}"}
    said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return {"outcome": "failed", "why": said[-1].strip() if said else f"it ended with {code} and said nothing"}


def _end(child: subprocess.Popen) -> None:
    """End a stage with all the processes that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


# -- the table ---------------------------------------------------------------------------------------------------------
def table(lines: Sequence[Figure], options: argparse.Namespace) -> str:
    """All stages with their figures, then the goals."""
    rows: list[tuple[str, ...]] = []
    for stage in dict.fromkeys(line["stage"] for line in lines):
        own = [line for line in lines if line["stage"] == stage]
        for line in own:
            if "outcome" in line:
                why = f": {line['why']}" if "why" in line else ""
                rows.append((stage, f"{line['outcome']}{why}", f"{line['seconds']} s"))
        passed = [line for line in own if line.get("test") == "passed" and line.keys() == PLAIN]
        rows += [("", f"{len(passed)} tests passed", "")] if passed else []
        told = [line for line in own if "figure" in line and line not in passed and "on_the_way" not in line]
        rows += [("", line["figure"], values(line)) for line in told]
    text = aligned([("stage", "figure", ""), *rows])
    if options.small:
        return f"{text}\n\nThe sizes are small: all this shows that the stages run, and measures nothing."
    return f"{text}\n\n{aligned([('goal', 'required', 'measured', ''), *verdicts(options.device, Found(lines))])}"


PLAIN = {"stage", "figure", "test"}
"""What the line of a test has that tells nothing but what came of it."""


def values(line: Figure) -> str:
    shown = {key: value for key, value in line.items() if key not in ("stage", "figure")}
    return ", ".join(f"{key} {_short(value)}" for key, value in shown.items())


def _short(value: Any) -> str:
    if isinstance(value, list) and any(isinstance(one, str) for one in value):
        return " ".join(map(_short, value))
    if isinstance(value, list):
        return "..".join(_short(end) for end in (min(value), max(value))) if value else "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    )


def read(out: Path) -> list[Figure]:
    """All lines that are whole: a stage that was killed may have left half of one."""
    lines = []
    for text in (out / "figures.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines


# -- the command -------------------------------------------------------------------------------------------------------
def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=(__doc__ or "").splitlines()[0])
    names = ", ".join(stage.name for stage in STAGES)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for figures.jsonl, table.txt and logs")
    limits = ", ".join(f"{seconds} on {device}" for device, seconds in LIMIT.items())
    parser.add_argument("--limit", type=float, metavar="SECONDS", help=f"of all stages together (default: {limits})")
    parser.add_argument("--device", choices=["cuda", "cpu"], help="default: cuda, where there is one")
    parser.add_argument("--full", action="store_true", help="on a CPU: the sizes of the goals, instead of the smallest")
    parser.add_argument("--only", action="append", metavar="STAGE", help=f"or the start of its name: {names}")
    parser.add_argument("--junyanz", metavar="PATH", help="a checkout of pytorch-CycleGAN-and-pix2pix")
    parser.add_argument("--ugatit", metavar="PATH", help="a checkout of UGATIT-pytorch")
    parser.add_argument("--stage", nargs=2, help=argparse.SUPPRESS)  # name and work, of a process of ours
    options = parser.parse_args(given)
    if options.device is None:
        import torch

        options.device = "cuda" if torch.cuda.is_available() else "cpu"
    options.limit = options.limit or LIMIT[options.device]
    options.small = options.device == "cpu" and not options.full
    chosen = [stage for stage in STAGES if options.device in stage.devices]
    if options.only:
        chosen = [stage for stage in chosen if stage.name.startswith(tuple(options.only))]
    else:
        chosen = [stage for stage in chosen if not stage.named]
    if not chosen:
        parser.error(f"no stage of {options.device} begins with {' or '.join(options.only)}; there are {names}")
    options.stages = chosen
    return options


def main(given: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if given is None else given)
    options = parse(given)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.stage:
        name, work = options.stage
        module, _, function = work.partition(":")
        getattr(import_module(module), function)(Telling(name, options))
        return 0
    (options.out / "figures.jsonl").write_text("")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends it early gets the table too
    code = 0
    try:
        run(options.stages, options, [sys.executable, "-m", "benchmarks.device", *given, "--device", options.device])
    except KeyboardInterrupt:
        code = 130
    lines = read(options.out)
    text = table(lines, options)
    (options.out / "table.txt").write_text(text + "\n", encoding="utf-8")
    print(f"\n{text}")
    return code or int(any(line.get("outcome") in ("failed", "stopped") or "failed" in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())
