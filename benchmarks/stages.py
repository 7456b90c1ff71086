"""What the stages of `benchmarks.device` do; each tells its figures as they come."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import peers, steps
from benchmarks.device import Telling
from benchmarks.measure import SHORTEST, ceilings, clock, conditions, interleaved, seconds, together
from gankit.precision import too_slow
from gankit.training.graphs import WARM_UP


def device_of(tell: Telling) -> torch.device:
    torch.set_num_threads(1)
    return torch.device(tell.options.device)


# -- what is here ------------------------------------------------------------------------------------------------------
def doctor(tell: Telling) -> None:
    device = device_of(tell)
    tell("conditions", **conditions(device))
    found = ceilings(device)
    rates = {f"{str(dtype).removeprefix('torch.')}_tflop_s": rate / 1e12 for dtype, rate in found.matrix.items()}
    tell("ceilings", copy_gb_s=found.copy / 1e9, **rates)
    from gankit.cli.doctor import examine

    for title, content in examine().items():
        tell(title, **(content if isinstance(content, dict) else dict(enumerate(content))))


# -- norms -------------------------------------------------------------------------------------------------------------
NORMS = ["instance+relu", "adalin", "group"]


def norms(tell: Telling) -> None:
    """Norms beside the forms of other projects, and the bandwidth of a copy."""
    from benchmarks import test_norm as suite

    device, small = device_of(tell), tell.options.small
    shapes = [s for s in suite.GPU if s != (8, 256, 64, 64)] if device.type == "cuda" else suite.CPU
    for shape in [suite.SMALLEST] if small else shapes:
        for name in NORMS:
            for kind, (dtype, _) in suite.KINDS.items():
                for passes in ("fwd", "fwd+bwd"):
                    figure = f"{name}-{'x'.join(map(str, shape))}-{kind}-{passes}"
                    _told(tell, figure, partial(suite.Case, name, shape, kind, device), dtype, passes == "fwd+bwd")
        if device.type == "cpu" and not small:
            figure = f"compiled adalin-{'x'.join(map(str, shape))}"
            case = partial(suite.Case, "adalin", shape, "fp32", device)
            _told(tell, figure, case, torch.float32, True, compiled=True)
        peers.release()


def _told(tell: Telling, figure: str, make: Any, dtype: torch.dtype, backward: bool, compiled: bool = False) -> None:
    """A case; one that fails costs its own figure."""
    try:
        device = torch.device(tell.options.device)
        if reason := too_slow(dtype, device):
            return tell(figure, skipped=reason)
        tell(figure, **_norm(make(), backward, compiled, 1 if tell.options.small else 5))
    except Exception as error:
        tell(figure, **peers.told(error))


def _norm(case: Any, backward: bool, compiled: bool, rounds: int) -> dict[str, Any]:
    ours = torch.compile(case.ours, fullgraph=True, dynamic=False) if compiled else case.ours
    graph, now, calls = case.device.type == "cuda", clock(case.device), {}
    for name, form, module in (("ours", ours, case.ours), ("theirs", case.theirs, case.theirs)):
        several = case.calls(form, list(module.parameters()), backward)
        call = together(several, graph)
        call()
        often = math.ceil(SHORTEST / max(seconds(call, now), 1e-9))
        calls[name] = partial(_repeated, call, often), often * len(several)
    found = interleaved({name: call for name, (call, _) in calls.items()}, rounds, now)
    for name, (_, count) in calls.items():
        found.times[name] = [took / count for took in found.times[name]]
    took, floor = (
        sorted(found.times["ours"])[rounds // 2],
        case.size * (8 if backward else 3) / ceilings(case.device).copy,
    )
    figures = {"ms": 1e3 * took, "percent_of_floor": 100 * floor / took, "megabytes": case.size / 1e6}
    return figures | {"ratio": found.ratio("theirs", "ours"), "ratios": found.ratios("theirs", "ours")}


def _repeated(call: Any, times: int) -> None:
    for _ in range(times):
        call()


# -- steps -------------------------------------------------------------------------------------------------------------
OURS = {
    1: ["bf16-default", "bf16", "fp32", "bf16-checkpointed", "bf16-graphed", "fp32-graphed", "bf16-graphed-nhwc"],
    16: ["bf16-default", "bf16", "bf16-nhwc", "bf16-graphed", "bf16-graphed-nhwc"],
}
"""By batch, on a GPU: what records its work last, for a recording that fails may take the process's GPU with it."""


def step(tell: Telling) -> None:
    """Steps beside the project's own."""
    _, project, batch = tell.stage.split("/")
    options = tell.options
    if options.device == "cuda":
        ours = OURS[1 if batch == "1" else 16]
        given = ["--rounds=3", f"--steps={10 if batch == '1' else 3}"]
    else:
        ours = ["fp32", "bf16"] if options.small else [*steps.OF["cpu"], "bf16-checkpointed"]
        given = (
            ["--rounds=1", "--steps=1", "--size=128", "--channels=4", "--no-memory"]
            if options.small
            else ["--threads=2"]
        )
    for name in peers.PROJECTS:
        if checkout := getattr(options, name):
            given.append(f"--{name}={checkout}")
    chosen = peers.parse([*given, f"--device={options.device}", f"--batch={batch}", f"--ours={','.join(ours)}"])
    torch.set_num_threads(chosen.threads)

    def row(values: peers.Row) -> None:
        name = values["step"]
        figures = {key: value for key, value in values.items() if key != "step"}
        tell(name, **figures, **({} if "batch" in figures else {"on_the_way": True}))

    peers.compare(project, chosen, row)


def agit(tell: Telling) -> None:
    """Steps a second of AGIT's recipe, as it is and recorded."""
    device, small = device_of(tell), tell.options.small
    now, count = clock(device), 1 if small else 30
    for variant in ("bf16", "bf16-graphed") if device.type == "cuda" else ("fp32",):
        try:
            step = _ours("agit", variant, device, small)
            tell(variant, steps_per_s=count / seconds(lambda step=step: _repeated(step, count), now))
        except Exception as error:
            tell(variant, **peers.told(error))


def _ours(recipe: str, variant: str, device: torch.device, small: bool) -> Any:
    """A step of ours, warm."""
    step = steps.step_of(
        steps.make(recipe, variant, 4 if small else None, device), steps.make_batch(1, 64 if small else 256, device)
    )
    _repeated(step, 1 if small else WARM_UP + 2)
    return step


def profile(tell: Telling) -> None:
    """Where the time of CycleGAN's step goes, plain and recorded."""
    device, small = device_of(tell), tell.options.small
    own = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    for variant in ("bf16", "bf16-graphed") if device.type == "cuda" else ("fp32",):
        try:
            step = _ours("cyclegan", variant, device, small)
            with torch.profiler.profile() as seen:
                _repeated(step, 3)
                clock(device)()
            rows = sorted(seen.key_averages(), key=lambda row: getattr(row, own), reverse=True)
            whole = sum(getattr(row, own) for row in rows) or 1
            tell(f"{variant}: all", ms=whole / 3e3, calls=sum(row.count for row in rows if getattr(row, own)) / 3)
            for row in rows[:15]:
                took = getattr(row, own)
                tell(f"{variant}: {row.key[:70]}", ms=took / 3e3, percent=100 * took / whole, calls=row.count / 3)
        except Exception as error:
            tell(variant, **peers.told(error))


# -- the demo ----------------------------------------------------------------------------------------------------------
ON_A_CPU = {"a2b": 0.62, "b2a": 0.35}
"""Error inside the objects, of that of returning the input: the demo's on a CPU (recipes/demo.yaml)."""


def demo(tell: Telling) -> None:
    """Train the demo, plain and recorded."""
    import gankit

    device = device_of(tell)
    for recorded in (False, True) if device.type == "cuda" else (False,):
        name = "recorded" if recorded else "plain"
        sets = [f"train.cuda_graph={json.dumps(recorded)}", "train.measure=null"]
        if tell.options.small:
            sets += ["train.steps=2", "data.train=8", "data.test=4", "method.generator.channels=4"]
        try:
            with tempfile.TemporaryDirectory() as scratch:
                out, start = Path(scratch, name), time.perf_counter()
                gankit.train("demo", out, sets=sets, device=device.type)
                tell(f"{name}: training and report", seconds=time.perf_counter() - start)
                for row in json.loads((out / "evaluation.json").read_text())["results"]:
                    more = {"on_a_cpu": ON_A_CPU[row["direction"]]} if row["metric"] == "translation_error" else {}
                    tell(f"{name}: {row['metric']} {row['direction']}", value=row["value"], **more)
        except Exception as error:
            tell(name, **peers.told(error))


# -- of the processor --------------------------------------------------------------------------------------------------
GROUPS = {"data": "data", "startup": "cli"}


def group(tell: Telling) -> None:
    """A group of `gankit bench`."""
    from gankit.cli import bench

    figures, passed = bench.run(bench.suite(GROUPS[tell.stage]), smallest=tell.options.small)
    for name, case in figures["cases"].items():
        tell(name, **{key: case[key] for key in ("ms", "ratio_to_reference") if key in case})
    if not passed:
        raise RuntimeError("a case failed: see above")


def loading(tell: Telling) -> None:
    """What a pair costs; `benchmarks.starving` counts it."""
    count = ["--steps=4", "--photos=8"] if tell.options.small else ["--steps=100", "--photos=30"]
    command = [sys.executable, "-m", "benchmarks.starving", *count, "--workers=2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if found := re.match(r"\s*(.+?)  .*?(\d+) pairs a second and core", line):
                tell(" ".join(line.split(":")[0].split()), pairs_per_s_on_8_cores=8 * int(found[2]))
    if child.returncode:
        raise RuntimeError(f"benchmarks.starving ended with {child.returncode}")


def suite(tell: Telling) -> None:
    """All benchmarks."""
    from gankit.cli import bench

    files = bench.suite(None)
    tell("all", minutes=seconds(lambda: bench.run(files, tell.options.small), time.perf_counter) / 60)
