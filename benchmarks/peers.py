"""Whole training steps beside those of the reference projects, from checkouts that the user has.

    python -m benchmarks.peers --junyanz ../pytorch-CycleGAN-and-pix2pix --ugatit ../UGATIT-pytorch

Each project's own class takes its own step, unchanged, as its users run it (fp32), then ours with the same networks,
batch and size, in turns. Results are printed, and kept, as they come.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks import steps
from benchmarks.measure import Call, Rounds, ceilings, clock, conditions, interleaved, seconds, tf32
from gankit.core.errors import BuildError, RecipeError
from gankit.training.graphs import WARM_UP

Row = dict[str, Any]
Tell = Callable[[Row], None]
CANNOT_BE = (RecipeError, BuildError, steps.Unfit)
"""Errors of a variant that is not for this machine; all others are failures."""
TF32 = ", TF32"
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
    if getattr(options, project) is None:
        raise steps.Unfit(f"no checkout is given: --{project} PATH")
    theirs = {"junyanz": junyanz, "ugatit": ugatit}[project]
    return theirs(Path(getattr(options, project)).resolve(), batch, options.channels)


def batch_of(options: argparse.Namespace) -> dict[str, Tensor]:
    return steps.make_batch(options.batch, options.size, torch.device(options.device))


# -- memory: a process for each, on a CPU ------------------------------------------------------------------------------
def peak_alone(name: str, options: argparse.Namespace) -> float:
    """GB at the peak of two steps, of the whole process."""
    step = step_of(name, options, batch_of(options))
    for _ in range(2):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def peak_in_own_process(name: str, options: argparse.Namespace) -> float | None:
    """None where that step cannot be taken."""
    given = [f"--{key}={getattr(options, key)}" for key in ("size", "batch", "channels", "threads", "device")]
    given += [f"--{project}={getattr(options, project)}" for project in PROJECTS if getattr(options, project)]
    command = [sys.executable, "-m", "benchmarks.peers", *given, "--alone", name]
    done = subprocess.run(command, capture_output=True, text=True)
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None


# -- the rows ----------------------------------------------------------------------------------------------------------
def names_of(project: str, options: argparse.Namespace) -> list[str]:
    return [project, *(f"{project}:{variant}" for variant in options.ours)]


def compare(project: str, options: argparse.Namespace, tell: Tell) -> None:
    """Tell rows as they come: each peak, first step and round, then its figures; theirs first, on a GPU with TF32 too.

    `ratio`: theirs (fp32, without TF32) by this; `ratio_tf32`: theirs with TF32 by this. fp32 of ours has no TF32.
    `peak_gb`: of the GPU's allocator, or of a process of its own on a CPU. A step that fails costs its own row, which
    says why: `skipped` where it cannot be here, else `failed`. On a GPU, whose memory two steps might not share, one is
    alive at a time; on a CPU, where other programs disturb, all are, and are timed in turns.
    """
    names, on_gpu = names_of(project, options), options.device == "cuda"
    # Memory first: a new process inherits the peak of the one that starts it.
    own_process = options.memory and not on_gpu
    peaks: dict[str, float | None] = {}
    for name in names if own_process else ():
        peaks[name] = peak_in_own_process(name, options)
        tell({"step": name, "peak_gb": peaks[name]})
    theirs: dict[str, list[float]] = {}
    for together in [[name] for name in names] if on_gpu else [names]:
        for row, times in timed(together, options, tell):
            if row["step"] in (project, f"{project}{TF32}"):
                theirs[row["step"]] = times
            row |= {"peak_gb": peaks[row["step"]]} if row["step"] in peaks else {}
            if times:
                row |= ratios(project, times, theirs, options)
                tell({key: value for key, value in row.items() if key != "batch"})  # what follows may not end
                row |= use(project, row, options)
            tell(row)
        release()


def timed(names: list[str], options: argparse.Namespace, tell: Tell) -> list[tuple[Row, list[float]]]:
    """The rows of steps that are alive together, and the seconds of a step in each round; none where it failed."""
    batch, device = batch_of(options), torch.device(options.device)
    now, rows, calls = clock(device), dict[str, Row](), dict[str, Call]()
    for name in names:
        row = rows[name] = {"step": name, "batch": options.batch}
        try:
            step = step_of(name, options, batch)
            with tf32(False):
                row["first_s"] = seconds(step, now)  # compiling included
                for _ in range(WARM_UP + 1 if device.type == "cuda" else 1):  # past the recording of its passes
                    step()
        except Exception as error:
            row |= told(error)
            continue
        tell({"step": name, "first_s": row["first_s"]})
        calls[name] = partial(repeated, step, options.steps, False)
        if ":" not in name and device.type == "cuda":
            rows[name + TF32] = {"step": name + TF32, "batch": options.batch}
            calls[name + TF32] = partial(repeated, step, options.steps, True)
    rounds = interleaved(
        calls,
        options.rounds,
        now,
        timed=lambda name, took: tell({"step": name, "round_s": took / options.steps}),
        failed=lambda name, error: rows[name].update(told(error)),
    )
    if device.type == "cuda" and options.memory:
        for row in rows.values():
            row["peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
    return [(row, [took / options.steps for took in rounds.times.get(name, [])]) for name, row in rows.items()]


def ratios(project: str, times: list[float], theirs: dict[str, list[float]], options: argparse.Namespace) -> Row:
    found, took = Rounds({"this": times, **theirs}), median(times)
    more: Row = {"s": took, "pairs_per_s": options.batch / took}
    if theirs.get(project):
        more |= {"ratio": found.ratio(project, "this"), "ratios": found.ratios(project, "this")}
    if theirs.get(project + TF32):
        more["ratio_tf32"] = found.ratio(project + TF32, "this")
    return more


def use(project: str, row: Row, options: argparse.Namespace) -> Row:
    """The share of the machine's rate of products that a step reaches."""
    try:  # one more step, which the memory may be too small for
        work = steps.flops_of(PROJECTS[project], options.channels, options.batch, options.size)
    except Exception as error:
        return {"flop_use": 0.0, "flop_use_unknown": told(error)}
    rates = ceilings(torch.device(options.device)).matrix
    return {"flop_use": work / row["s"] / rates[torch.bfloat16 if "bf16" in row["step"] else torch.float32]}


def told(error: Exception) -> Row:
    """Why there is no figure."""
    text = next(filter(None, map(str.strip, str(error).splitlines())), "")
    return {"skipped" if isinstance(error, CANNOT_BE) else "failed": f"{type(error).__name__}: {text}"}


def release() -> None:
    """Give back what the steps of before held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def repeated(step: Call, times: int, allow_tf32: bool) -> None:
    with tf32(allow_tf32):
        for _ in range(times):
            step()


# -- what is printed ---------------------------------------------------------------------------------------------------
HEAD = " ".join(
    [
        f"{'step':28} {'batch':>5} {'s/it':>8} {'pairs/s':>8} {'ratio':>6} ",
        f"{'by round':12} {'/ TF32':>6}",
        "    GB FLOP use",
    ]
)


def line(row: Row) -> str:
    """A row as text: of the table, or, indented, of what is on the way."""
    if "batch" not in row:
        if "peak_gb" in row:
            return f"  {row['step']}: {row['peak_gb'] or 'unknown'} GB at its peak"
        took = f"first step {row['first_s']:.4g} s" if "first_s" in row else f"a step {row['round_s']:.4g} s"
        return f"  {row['step']}: {took}"
    start = f"{row['step']:28} {row['batch']:5}"
    for why in ("skipped", "failed"):
        if why in row:
            return f"{start} {why}: {row[why]}"
    spread = f"{min(row['ratios']):.2f}..{max(row['ratios']):.2f}" if "ratios" in row else "-"
    ratio, tf32_ratio, peak = (f"{row[k]:6.2f}" if row.get(k) else "     -" for k in ("ratio", "ratio_tf32", "peak_gb"))
    flop_use = f"{100 * row['flop_use']:7.1f}%"
    return f"{start} {row['s']:8.4f} {row['pairs_per_s']:8.2f} {ratio}  {spread:12} {tf32_ratio} {peak} {flop_use}"


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
    parser.add_argument("--json", metavar="FILE", help="keep them, a line of JSON each")
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
    with Path(options.json).open("w") if options.json else contextlib.nullcontext() as file:

        def tell(row: Row) -> None:
            print(line(row), flush=True)
            if file is not None:
                print(json.dumps(row), file=file, flush=True)

        if file is not None:
            print(json.dumps(conditions(device)), file=file, flush=True)
        print(HEAD, flush=True)
        for project in PROJECTS:
            if getattr(options, project) is None:
                print(f"{project}: skipped, no checkout is given (--{project} PATH)")
            else:
                compare(project, options, tell)


if __name__ == "__main__":
    main()
