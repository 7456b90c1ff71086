"""Every goal of speed as a table: what is required, what was measured here, met, missed, or unmeasured and why.

    python -m benchmarks.bars --junyanz ../pytorch-CycleGAN-and-pix2pix --ugatit ../UGATIT-pytorch
    python -m benchmarks.bars --only kernels --only step/junyanz/16      # pieces, each of some minutes on an H200

The goals are for an H200; those of a CPU, where there is no GPU, for two cores. Nothing is measured here that the
benchmarks do not measure: this runs them, and `peers.py`, and compares.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks import peers, steps
from benchmarks.measure import ceilings, clock, conditions, seconds
from gankit.cli import bench
from gankit.precision import too_slow

LARGE = 16
"""MB of x from which a norm must reach the copy's bandwidth."""


class Unmeasured(Exception):
    """Why a bar has no figure here."""


@dataclass
class Found:
    """What the benchmarks find, measured when a bar asks for it first."""

    options: argparse.Namespace
    rows: list[dict[str, Any]] = field(default_factory=list)  # of peers.py, to be kept

    def __hash__(self) -> int:
        return id(self)

    @cache  # noqa: B019  # there is one, for the whole process
    def cases(self, group: str) -> dict[str, Any]:
        return bench.run(bench.suite(group), smallest=False)[0]["cases"]

    def some(self, group: str, *parts: str, key: str) -> list[float]:
        """A figure of all cases whose names have these parts."""
        chosen = [c for name, c in self.cases(group).items() if all(part in name for part in parts) and key in c]
        if not chosen:
            raise Unmeasured(f"no case of {group}/ has {' and '.join(parts)}")
        return [case[key] for case in chosen]

    @cache  # noqa: B019
    def steps(self, project: str, batch: int) -> list[dict[str, Any]]:
        rows = peers.compare(project, self._options(project, batch))
        peers.print_rows(rows)
        self.rows.extend(rows)
        return rows

    def step(self, project: str, batch: int, wanted: str, key: str = "ratio") -> float:
        """The best of our steps beside theirs whose names match."""
        rows = {row["step"]: row for row in self.steps(project, batch)}
        if "skipped" in rows[project]:
            raise Unmeasured(rows[project]["skipped"])
        named = [row for name, row in rows.items() if re.fullmatch(f"{project}:({wanted})", name)]
        reached = [row[key] for row in named if key in row]
        if not reached:
            raise Unmeasured("; ".join(row["skipped"] for row in named if "skipped" in row) or "not among --ours")
        return max(reached)

    @cache  # noqa: B019
    def peak(self, name: str, batch: int) -> float:
        """GB at the peak of a process that takes this step."""
        project, _, variant = name.partition(":")
        if variant and (reason := too_slow(steps.dtype_of(variant), torch.device(self.options.device))):
            raise Unmeasured(reason)
        found = peers.peak_in_own_process(name, self._options(project, batch))
        if found is None:
            raise Unmeasured(f"{name} cannot be run here")
        return found

    def _options(self, project: str, batch: int) -> argparse.Namespace:
        if getattr(self.options, project) is None:
            raise Unmeasured(f"no checkout is given: --{project} PATH")
        return argparse.Namespace(**(vars(self.options) | {"batch": batch}))


@dataclass(frozen=True)
class Bar:
    piece: str
    text: str
    required: float
    value: Callable[[Found], float]
    device: str = ""  # cuda or cpu; any when empty
    at_most: bool = False

    def met(self, value: float) -> bool:
        return value <= self.required if self.at_most else value >= self.required


def large(found: Found, passes: str) -> float:
    """The least share of the copy's bandwidth over the norms of large maps; what is padded is not one pass less."""
    shares = [
        case["percent_of_floor"]
        for name, case in found.cases("norm").items()
        if name.endswith(passes) and "pad" not in name and "compiled" not in name and case["megabytes"] >= LARGE
    ]
    if not shares:
        raise Unmeasured("no map is large enough")
    return min(shares) / 100


def above_torch(command: str) -> Callable[[Found], float]:
    """Seconds of a command over those of `import torch`."""

    def value(found: Found) -> float:
        (case,) = (c for name, c in found.cases("cli").items() if name.endswith(command))
        return case["ms"] / 1000 * (1 - case["ratio_to_reference"])

    return value


def agit(found: Found) -> float:
    """Steps a second of the recipe at 256 px, in bf16, recorded."""
    device = torch.device(found.options.device)
    step = steps.step_of(steps.make("agit", "bf16-graphed", None, device), steps.make_batch(1, 256, device))
    for _ in range(5):
        step()
    return 50 / seconds(lambda: [step() for _ in range(50)], clock(device))


def minutes(found: Found) -> float:
    """Of the wall, for all benchmarks."""
    return seconds(lambda: bench.run(bench.suite(None), smallest=False), time.perf_counter) / 60


def loaded(found: Found) -> float:
    """Of the slowest way in which pictures are kept; `benchmarks.starving` counts it."""
    command = [sys.executable, "-m", "benchmarks.starving", "--steps=100", "--photos=30", "--workers=2"]
    done = subprocess.run(command, capture_output=True, text=True)
    counted = re.findall(r"(\d+) on 8 cores", done.stdout)
    if done.returncode or not counted:
        raise Unmeasured((done.stderr.strip().splitlines() or ["nothing was counted"])[-1])
    return min(map(float, counted))


BARS = [
    Bar("kernels", "norms of 16 MB and more, forward, by the copy", 0.85, lambda f: large(f, "fwd"), "cuda"),
    Bar("kernels", "norms of 16 MB and more, fwd+bwd, by the copy", 0.85, lambda f: large(f, "fwd+bwd"), "cuda"),
    Bar(
        "kernels",
        "AdaLIN fwd+bwd against the form of U-GAT-IT's code",
        10,
        lambda f: min(f.some("norm", "/adalin", "fwd+bwd", key="ratio_to_reference")),
        "cuda",
    ),
    Bar(
        "kernels",
        "InstanceNorm+ReLU fwd+bwd against torch's two modules",
        2,
        lambda f: min(f.some("norm", "/instance+relu-", "fwd+bwd", key="ratio_to_reference")),
        "cuda",
    ),
    Bar(
        "kernels",
        "no shape slower than torch (5 % are noise)",
        0.95,
        lambda f: min(f.some("norm", key="ratio_to_reference")),
        "cuda",
    ),
    Bar(
        "kernels",
        "AdaLIN fwd+bwd against the form of U-GAT-IT's code, eager",
        2,
        lambda f: min(f.some("norm", "/adalin", "fwd+bwd", key="ratio_to_reference")),
        "cpu",
    ),
    Bar(
        "kernels",
        "AdaLIN fwd+bwd against the form of U-GAT-IT's code, compiled",
        8,
        lambda f: min(f.some("norm", "compiled_adalin", key="ratio_to_reference")),
        "cpu",
    ),
    # memory before steps: a new process inherits the peak of the one that starts it
    Bar(
        "memory",
        "CycleGAN, batch 1, bf16: our peak by theirs",
        1,
        lambda f: f.peak("junyanz:bf16", 1) / f.peak("junyanz", 1),
        at_most=True,
    ),
    Bar(
        "memory",
        "CycleGAN, batch 1, fp32: our peak by theirs",
        1,
        lambda f: f.peak("junyanz:fp32", 1) / f.peak("junyanz", 1),
        at_most=True,
    ),
    Bar(
        "memory",
        "checkpointed by not checkpointed peak (reported)",
        0,
        lambda f: f.peak("junyanz:bf16-checkpointed", 1) / f.peak("junyanz:bf16", 1),
    ),
    *(
        Bar(
            f"step/{project}/{batch}",
            f"{title}, batch {batch}, bf16 against their step in fp32{' with TF32 (reported)' if column else ''}",
            0 if column else required,
            lambda f, project=project, batch=batch, column=column: f.step(project, batch, "bf16.*", f"ratio{column}"),
            "cuda",
        )
        for project, title, batch, required in (
            ("junyanz", "CycleGAN", 1, 6),
            ("junyanz", "CycleGAN", 16, 4),
            ("ugatit", "U-GAT-IT light", 1, 8),
            ("ugatit", "U-GAT-IT light", 8, 5),
        )
        for column in ("", "_tf32")
    ),
    Bar(
        "step/junyanz/16",
        "CycleGAN, batch 16: FLOP of the model by the matrix rate",
        0.45,
        lambda f: f.step("junyanz", 16, "bf16.*", "flop_use"),
        "cuda",
    ),
    Bar(
        "step/junyanz/1",
        "CycleGAN, batch 1, fp32 against fp32",
        1.5,
        lambda f: f.step("junyanz", 1, "fp32.*"),
        "cuda",
    ),
    Bar(
        "step/agit",
        "AGIT, batch 1, steps a second (reported)",
        0,
        agit,
        "cuda",
    ),
    Bar(
        "step/junyanz/1",
        "CycleGAN, batch 1, eager, against their step",
        1.5,
        lambda f: f.step("junyanz", 1, "fp32|bf16|bf16-nhwc"),
        "cpu",
    ),
    Bar(
        "step/junyanz/1",
        "CycleGAN, batch 1, compiled, against their step",
        1.8,
        lambda f: f.step("junyanz", 1, ".*compiled.*"),
        "cpu",
    ),
    Bar(
        "data",
        "a picture, uncached, against the pipeline of CycleGAN's code",
        2.5,
        lambda f: min(f.some("data", "uncached", "uint8", key="ratio_to_reference")),
    ),
    Bar("data", "a picture, cached", 20, lambda f: min(f.some("data", "ram", "uint8", key="ratio_to_reference"))),
    Bar("suite", "all benchmarks on a CPU, minutes (only when named)", 15, minutes, "cpu", at_most=True),
    Bar("data", "pairs a second that eight cores load, by the CPU time of a pair", 100, loaded),
    Bar(
        "startup", "gankit --help, seconds", 0.5, lambda f: max(f.some("cli", "--help", key="ms")) / 1000, at_most=True
    ),
    Bar("startup", "gankit list, seconds", 0.5, lambda f: max(f.some("cli", "list", key="ms")) / 1000, at_most=True),
    *(
        Bar(
            "startup",
            f"gankit build {recipe}, seconds over import torch",
            1.0,
            above_torch(f"build {recipe}"),
            at_most=True,
        )
        for recipe in ("cyclegan", "agit", "ugatit")
    ),
]


def judged(bar: Bar, found: Found) -> tuple[str, str]:
    """(measured, verdict)"""
    device = found.options.device
    if bar.device and bar.device != device:
        return "-", "unmeasured: " + ("no CUDA device" if bar.device == "cuda" else "of a CPU; a GPU is here")
    try:
        value = bar.value(found)
    except Unmeasured as e:
        return "-", f"unmeasured: {e}"
    except Exception as e:  # one bar that fails must not cost the others their figures
        return "-", f"unmeasured: {type(e).__name__}: {e}"
    return f"{value:.2f}", "reported" if not bar.required else "met" if bar.met(value) else "missed"


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bars", description=(__doc__ or "").splitlines()[0])
    pieces = dict.fromkeys(bar.piece for bar in BARS)
    parser.add_argument("--only", action="append", help=f"a piece, or the start of its name: {', '.join(pieces)}")
    parser.add_argument("--json", metavar="FILE", help="keep the table and the steps' figures")
    own, rest = parser.parse_known_args(given)
    options = peers.parse(rest)
    torch.set_num_threads(options.threads)
    found, device = Found(options), torch.device(options.device)
    about = conditions(device) | {"copy_gb_s": ceilings(device).copy / 1e9}
    print(", ".join(f"{key} {value}" for key, value in about.items()), flush=True)
    lines = []
    for bar in BARS:
        if bar.piece.startswith(tuple(own.only)) if own.only else bar.piece != "suite":
            measured, verdict = judged(bar, found)
            required = f"{'<=' if bar.at_most else '>='} {bar.required:g}" if bar.required else "-"
            lines.append((bar.piece, bar.text, required, measured, verdict))
            print(*lines[-1], sep="; ", flush=True)  # at once: the run may be cut off
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    for line in [("piece", "bar", "required", "measured", "verdict"), *lines]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    if own.json:
        Path(own.json).write_text(json.dumps({**about, "bars": lines, "steps": found.rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
