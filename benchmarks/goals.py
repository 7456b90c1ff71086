"""Every goal of speed, and whether the figures of `benchmarks.device` meet it: met, missed, or unmeasured and why.

The goals are for an H200; those of a CPU, where there is no GPU, for two cores. Nothing is measured here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Figure = dict[str, Any]
"""A line of figures.jsonl: `stage`, and the `figure` with its values or, at the stage's end, its `outcome`."""
LARGE = 16
"""MB of x from which a norm must reach the copy's bandwidth."""


class Unmeasured(Exception):
    """Why a goal has no figure here."""


@dataclass(frozen=True)
class Found:
    """What the stages told."""

    lines: Sequence[Figure]

    def of(self, stage: str) -> list[Figure]:
        """The figures of a stage; what it told before it failed counts too."""
        lines = [line for line in self.lines if line["stage"] == stage]
        if not lines:
            raise Unmeasured(f"the stage {stage} was not run")
        if figures := [line for line in lines if "figure" in line]:
            return figures
        raise Unmeasured(next((f"{one['outcome']}: {one['why']}" for one in lines if "why" in one), "it told nothing"))

    def some(self, stage: str, pattern: str, key: str = "ratio") -> list[float]:
        """A value of all figures whose names match."""
        named = [figure for figure in self.of(stage) if re.fullmatch(pattern, figure["figure"])]
        if reached := [figure[key] for figure in named if key in figure]:
            return reached
        whys = [figure[why] for figure in named for why in ("skipped", "failed") if why in figure]
        raise Unmeasured("; ".join(whys) or f"no figure of {stage} is called {pattern}")

    def step(self, project: str, batch: int, variants: str, key: str = "ratio") -> float:
        """The best of our steps beside theirs."""
        self.some(f"step/{project}/{batch}", project, "s")  # says why there is none to stand beside
        return max(self.some(f"step/{project}/{batch}", f"{project}:({variants})", key))

    def peak(self, name: str) -> float:
        """GB of a step of CycleGAN at batch 1."""
        return self.some("step/junyanz/1", name, "peak_gb")[0]


@dataclass(frozen=True)
class Goal:
    """required: 0 where the figure is only reported. device: cuda or cpu; any when empty."""

    text: str
    required: float
    value: Callable[[Found], float]
    device: str = ""
    at_most: bool = False

    def met(self, value: float) -> bool:
        return value <= self.required if self.at_most else value >= self.required


def large(found: Found, passes: str) -> float:
    """The least share of the copy's bandwidth over the norms of large maps."""
    shares = [
        figure["percent_of_floor"]
        for figure in found.of("norms")
        if figure["figure"].endswith(f"-{passes}") and figure.get("megabytes", 0) >= LARGE
    ]
    if not shares:
        raise Unmeasured("no map is large enough")
    return min(shares) / 100


def above_torch(command: str) -> Callable[[Found], float]:
    """Seconds of a command over those of `import torch`."""

    def value(found: Found) -> float:
        name = re.escape(f"cli/{command}")
        ((ms,), (ratio,)) = (found.some("startup", name, key) for key in ("ms", "ratio_to_reference"))
        return ms / 1000 * (1 - ratio)

    return value


def startup(command: str) -> Callable[[Found], float]:
    return lambda found: max(found.some("startup", f"cli/{command}", "ms")) / 1000


GOALS = [
    Goal("norms of 16 MB and more, forward, by the copy", 0.85, lambda f: large(f, "fwd"), "cuda"),
    Goal("norms of 16 MB and more, fwd+bwd, by the copy", 0.85, lambda f: large(f, "fwd+bwd"), "cuda"),
    Goal(
        "AdaLIN fwd+bwd against the form of U-GAT-IT's code",
        10,
        lambda f: min(f.some("norms", r"adalin-.*fwd\+bwd")),
        "cuda",
    ),
    Goal(
        "InstanceNorm+ReLU fwd+bwd against torch's two modules",
        2,
        lambda f: min(f.some("norms", r"instance\+relu-.*fwd\+bwd")),
        "cuda",
    ),
    Goal("no shape slower than torch (5 % are noise)", 0.95, lambda f: min(f.some("norms", ".*")), "cuda"),
    Goal(
        "AdaLIN fwd+bwd against the form of U-GAT-IT's code, eager",
        2,
        lambda f: min(f.some("norms", r"adalin-.*fwd\+bwd")),
        "cpu",
    ),
    Goal(
        "AdaLIN fwd+bwd against the form of U-GAT-IT's code, compiled",
        8,
        lambda f: min(f.some("norms", "compiled adalin-.*")),
        "cpu",
    ),
    *(
        Goal(
            f"CycleGAN, batch 1, {precision}: our peak of memory by theirs",
            1,
            lambda f, precision=precision: f.peak(f"junyanz:{precision}") / f.peak("junyanz"),
            at_most=True,
        )
        for precision in ("bf16", "fp32")
    ),
    Goal(
        "checkpointed by not checkpointed peak of memory (reported)",
        0,
        lambda f: f.peak("junyanz:bf16-checkpointed") / f.peak("junyanz:bf16"),
    ),
    *(
        Goal(
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
    Goal(
        "CycleGAN, batch 16: FLOP of the model by the matrix rate",
        0.45,
        lambda f: f.step("junyanz", 16, "bf16.*", "flop_use"),
        "cuda",
    ),
    Goal("CycleGAN, batch 1, fp32 against fp32", 1.5, lambda f: f.step("junyanz", 1, "fp32.*"), "cuda"),
    Goal("AGIT, batch 1, steps a second (reported)", 0, lambda f: max(f.some("agit", ".*", "steps_per_s")), "cuda"),
    Goal(
        "CycleGAN, batch 1, eager, against their step",
        1.5,
        lambda f: f.step("junyanz", 1, "fp32|bf16|bf16-nhwc"),
        "cpu",
    ),
    Goal("CycleGAN, batch 1, compiled, against their step", 1.8, lambda f: f.step("junyanz", 1, ".*compiled.*"), "cpu"),
    Goal(
        "a picture, uncached, against the pipeline of CycleGAN's code",
        2.5,
        lambda f: min(f.some("data", ".*uncached.*uint8", "ratio_to_reference")),
        "cpu",
    ),
    Goal("a picture, cached", 20, lambda f: min(f.some("data", ".*-ram.*uint8", "ratio_to_reference")), "cpu"),
    Goal(
        "pairs a second that eight cores load, by the CPU time of a pair",
        100,
        lambda f: min(f.some("loading", ".*", "pairs_per_s_on_8_cores")),
        "cpu",
    ),
    Goal("gankit --help, seconds", 0.5, startup("--help"), "cpu", at_most=True),
    Goal("gankit list, seconds", 0.5, startup("list"), "cpu", at_most=True),
    *(
        Goal(f"gankit build {recipe}, seconds over import torch", 1.0, above_torch(f"build {recipe}"), "cpu", True)
        for recipe in ("cyclegan", "agit", "ugatit")
    ),
    Goal("all benchmarks, minutes", 15, lambda f: f.some("suite", "all", "minutes")[0], "cpu", at_most=True),
]


def judged(goal: Goal, found: Found) -> tuple[str, str]:
    """(measured, verdict)"""
    try:
        value = goal.value(found)
    except Unmeasured as e:
        return "-", f"unmeasured: {e}"
    except Exception as e:  # one goal that fails must not cost the others their verdicts
        return "-", f"unmeasured: {type(e).__name__}: {e}"
    return f"{value:.2f}", "reported" if not goal.required else "met" if goal.met(value) else "missed"


def verdicts(device: str, found: Found) -> list[tuple[str, str, str, str]]:
    """(goal, required, measured, verdict) of all that are of this device."""
    rows = []
    for goal in GOALS:
        if goal.device in ("", device):
            required = f"{'<=' if goal.at_most else '>='} {goal.required:g}" if goal.required else "-"
            rows.append((goal.text, required, *judged(goal, found)))
    return rows
