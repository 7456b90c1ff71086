"""Whole training steps beside those of the reference projects, from checkouts that the user has.

    python -m benchmarks.peers --junyanz ../pytorch-CycleGAN-and-pix2pix --ugatit ../UGATIT-pytorch

Each project's own class takes its own step, unchanged, as its users run it (fp32), then ours with the same networks,
batch and size, in turns. Memory is the peak of a process that takes two steps and does nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks import steps
from benchmarks.measure import Call, ceilings, clock, conditions, interleaved, seconds, tf32
from gankit.core.errors import GankitError

PROJECTS = {"junyanz": "cyclegan", "ugatit": "ugatit-light"}
"""Option that names the checkout -> our recipe of the same training."""


# -- their steps ------------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def importing(checkout: Path) -> Iterator[None]:
    """Import from a checkout; its modules, whose names are everybody's (`models`, `utils`), are forgotten after."""
    before, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(checkout))
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - before:
            if str(checkout) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


@contextlib.contextmanager
def arguments(*given: str) -> Iterator[None]:
    """Within this, these are the command line's; what is printed is dropped."""
    before = sys.argv
    sys.argv = ["train.py", *given]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        sys.argv = before


def junyanz(checkout: Path, batch: Mapping[str, Tensor], channels: int) -> Call:
    """CycleGANModel.optimize_parameters of pytorch-CycleGAN-and-pix2pix, with the default options."""
    gpu = "0" if batch["a"].is_cuda else "-1"
    with tempfile.TemporaryDirectory() as scratch, importing(checkout):
        width = ["--ngf", str(channels), "--ndf", str(channels)]
        with arguments("--dataroot", scratch, "--checkpoints_dir", scratch, "--gpu_ids", gpu, *width):
            options = importlib.import_module("options.train_options").TrainOptions().parse()
            model = importlib.import_module("models").create_model(options)
            model.setup(options)
    fields = {"A": batch["a"], "B": batch["b"], "A_paths": [""], "B_paths": [""]}

    def step() -> None:
        model.set_input(fields)
        model.optimize_parameters()

    return step


class Served:
    """A loader that has its batch ready; its iterators have the `next` of old torch versions, as the project asks."""

    def __init__(self, batch: Tensor) -> None:
        self.batch = batch

    def __iter__(self) -> Served:
        return self

    def __next__(self) -> tuple[Tensor, None]:
        return self.batch, None

    next = __next__


def ugatit(checkout: Path, batch: Mapping[str, Tensor], channels: int) -> Call:
    """One iteration of UGATIT.train of UGATIT-pytorch: its method is called for a training of one iteration."""
    for missing in ("cv2", "scipy.misc"):  # it draws pictures with them, which one iteration does not
        if find_spec(missing) is None:
            sys.modules[missing] = types.ModuleType(missing)
            parent, _, name = missing.rpartition(".")
            if parent:
                setattr(importlib.import_module(parent), name, sys.modules[missing])
    size, place = batch["a"].shape[-1], os.getcwd()
    with tempfile.TemporaryDirectory() as scratch, importing(checkout):
        for split in ("trainA", "trainB", "testA", "testB"):
            folder = Path(scratch, "dataset", "none", split)
            folder.mkdir(parents=True)
            (folder / "never_read.png").touch()
        os.chdir(scratch)
        try:
            with arguments("--light", "true", "--dataset", "none", "--ch", str(channels), "--img_size", str(size),
                           "--device", batch["a"].device.type, "--decay_flag", "false", "--print_freq", "1000000",
                           "--iteration", "1"):  # fmt: skip
                main = importlib.import_module("main")
                model = main.UGATIT(main.parse_args())
                model.build_model()
        finally:
            os.chdir(place)
    model.trainA_loader, model.trainB_loader = Served(batch["a"]), Served(batch["b"])

    def step() -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its losses at each iteration
            model.train()

    return step


def step_of(name: str, options: argparse.Namespace, batch: Mapping[str, Tensor]) -> Call:
    """The step called `junyanz`, `ugatit`, or `PROJECT:VARIANT` for ours."""
    project, _, variant = name.partition(":")
    torch.manual_seed(0)
    if variant:
        return steps.step_of(
            steps.make(PROJECTS[project], variant, options.channels, batch["a"].device, options.batch), batch
        )
    theirs = {"junyanz": junyanz, "ugatit": ugatit}[project]
    return theirs(Path(getattr(options, project)).resolve(), batch, options.channels)


def batch_of(options: argparse.Namespace) -> dict[str, Tensor]:
    return steps.make_batch(options.batch, options.size, torch.device(options.device))


# -- memory: a process for each ----------------------------------------------------------------------------------------
def peak_alone(name: str, options: argparse.Namespace) -> float:
    """GB at the peak of two steps: of the allocator on a GPU, of the whole process on a CPU."""
    step = step_of(name, options, batch_of(options))
    for _ in range(2):
        step()
    if options.device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def peak_in_own_process(name: str, options: argparse.Namespace) -> float | None:
    """None where that step cannot be taken."""
    given = [f"--{key}={getattr(options, key)}" for key in ("size", "batch", "channels", "threads", "device")]
    given += [f"--{project}={getattr(options, project)}" for project in PROJECTS if getattr(options, project)]
    command = [sys.executable, "-m", "benchmarks.peers", *given, "--alone", name]
    done = subprocess.run(command, capture_output=True, text=True)
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None


# -- the table ---------------------------------------------------------------------------------------------------------
def names_of(project: str, options: argparse.Namespace) -> list[str]:
    return [project, *(f"{project}:{variant}" for variant in options.ours)]


def compare(project: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows: theirs, then each variant of ours that can be made here; on a GPU theirs with TF32 too.

    `ratio`: theirs (fp32, without TF32) by this; `ratio_tf32`: theirs with TF32 by this. fp32 of ours has no TF32.
    """
    batch, device = batch_of(options), torch.device(options.device)
    now, rates = clock(device), ceilings(device).matrix
    calls: dict[str, Call] = {}
    rows: list[dict[str, Any]] = []
    for name in names_of(project, options):
        row: dict[str, Any] = {"step": name, "batch": options.batch}
        rows.append(row)
        try:
            step = step_of(name, options, batch)
            with tf32(False):
                row["first_s"] = seconds(step, now)  # compiling included
                step()
        except (GankitError, RuntimeError) as e:
            row["skipped"] = f"{type(e).__name__}: {str(e).splitlines()[0]}"
            continue
        calls[name] = partial(repeated, step, options.steps, False)
        if name == project and device.type == "cuda":
            rows.append({"step": f"{name}, TF32", "batch": options.batch})
            calls[f"{name}, TF32"] = partial(repeated, step, options.steps, True)
    if project not in calls:
        return rows
    rounds = interleaved(calls, options.rounds, now)
    work = steps.flops_of(PROJECTS[project], options.channels, options.batch, options.size)
    for row in rows:
        if (name := row["step"]) in calls:
            took = median(rounds.times[name]) / options.steps
            row |= {"s": took, "pairs_per_s": options.batch / took}
            row |= {"ratio": rounds.ratio(project, name), "ratios": rounds.ratios(project, name)}
            if f"{project}, TF32" in calls:
                row["ratio_tf32"] = rounds.ratio(f"{project}, TF32", name)
            row["flop_use"] = work / took / rates[torch.bfloat16 if "bf16" in name else torch.float32]
    return rows


def repeated(step: Call, times: int, allow_tf32: bool) -> None:
    with tf32(allow_tf32):
        for _ in range(times):
            step()


def print_rows(rows: list[dict[str, Any]]) -> None:
    head = f"{'step':28} {'batch':>5} {'s/it':>8} {'pairs/s':>8} {'ratio':>6}  {'by round':12} {'/ TF32':>6} {'GB':>6}"
    print(f"{head} {'FLOP use':>8}")
    for row in rows:
        start = f"{row['step']:28} {row['batch']:5}"
        if "skipped" in row:
            print(f"{start} skipped: {row['skipped']}")
            continue
        spread = f"{min(row['ratios']):.2f}..{max(row['ratios']):.2f}"
        optional = [f"{row[key]:6.2f}" if row.get(key) else "     -" for key in ("ratio_tf32", "peak_gb")]
        print(
            f"{start} {row['s']:8.4f} {row['pairs_per_s']:8.2f} {row['ratio']:6.2f}  {spread:12} {' '.join(optional)} "
            f"{100 * row['flop_use']:7.1f}%"
        )


def parse(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=(__doc__ or "").splitlines()[0])
    for project in PROJECTS:
        parser.add_argument(f"--{project}", metavar="PATH", help="a checkout of it")
    parser.add_argument("--size", type=int, default=256, help="of the pictures, in pixels")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--channels", type=int, default=64, help="ngf and ndf, ch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=None, help="of each in a round (default: 20 on a GPU, 1 on a CPU)")
    parser.add_argument("--threads", type=int, default=1, help="on a CPU; with one, its own time is the clock")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cpu", "cuda"])
    parser.add_argument("--ours", metavar="NAMES", help=f"of {', '.join(steps.VARIANTS)}; default: by device")
    parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True, help="measure it too")
    parser.add_argument("--json", metavar="FILE", help="keep the figures")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    options.steps = options.steps or (20 if options.device == "cuda" else 1)
    options.ours = options.ours.split(",") if options.ours else steps.OF[options.device]
    if unknown := set(options.ours) - set(steps.VARIANTS):
        parser.error(f"no variant is called {', '.join(sorted(unknown))}; there are {', '.join(steps.VARIANTS)}")
    return options


def main(given: list[str] | None = None) -> None:
    options = parse(given)
    torch.set_num_threads(options.threads)
    if options.alone:
        return print(peak_alone(options.alone, options))
    device = torch.device(options.device)
    print(", ".join(f"{key} {value}" for key, value in conditions(device).items()), flush=True)
    print(f"{options.size} px, batch {options.batch}, {options.channels} channels, {options.rounds} rounds of "
          f"{options.steps} steps of each in turn; ratio: of medians, theirs / ours", flush=True)  # fmt: skip
    rows: list[dict[str, Any]] = []
    for project in PROJECTS:
        if getattr(options, project) is None:
            print(f"{project}: skipped, no checkout is given (--{project} PATH)")
            continue
        # Memory first: a new process inherits the peak of the one that starts it.
        peaks = {name: peak_in_own_process(name, options) for name in names_of(project, options) if options.memory}
        rows += [row | {"peak_gb": peaks.get(row["step"])} for row in compare(project, options)]
    print_rows(rows)
    if options.json:
        Path(options.json).write_text(json.dumps({**conditions(device), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
