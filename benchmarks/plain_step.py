"""CycleGAN's step in plain torch (`reference.CycleGANStep`) and ours, in turns; where no checkout is at hand.

    python -m benchmarks.plain_step --size 128 --threads 2
    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python -m benchmarks.plain_step  # as without AVX-512

`--profile` tells what both spend their time on.
"""

from __future__ import annotations

import argparse
from statistics import median
from time import perf_counter

import torch

from benchmarks import reference, steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"size": 128, "width": 64, "rounds": 7, "threads": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cpu = torch.device("cpu")
    batch = steps.make_batch(1, options.size, cpu)
    ours = steps.step_of(steps.make("cyclegan", "fp32", options.width, cpu), batch)
    theirs = reference.CycleGANStep(options.width, cpu)
    calls = {"plain torch": lambda: theirs(batch["a"], batch["b"]), "gankit": ours}
    for call in calls.values():
        call()
    if options.profile:
        for name, call in calls.items():
            with torch.profiler.profile() as profile:
                call()
            print(name, profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=12), sep="\n")
        return
    print(
        torch.backends.cpu.get_cpu_capability(), f"{options.size} px, width {options.width}, {options.threads} threads"
    )
    rounds = []
    for _ in range(options.rounds):
        times = [perf_counter()]
        for call in calls.values():
            call()
            times.append(perf_counter())
        rounds.append((times[1] - times[0]) / (times[2] - times[1]))
        print(
            f"plain torch {times[1] - times[0]:.2f} s, gankit {times[2] - times[1]:.2f} s: {rounds[-1]:.2f}", flush=True
        )
    print(f"gankit is {median(rounds):.2f} times as fast ({min(rounds):.2f} to {max(rounds):.2f})")


if __name__ == "__main__":
    main()
