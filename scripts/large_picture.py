"""A picture of 4096 x 4096 px in tiles, against the same networks on the whole of it: difference, time, memory.

python scripts/large_picture.py [--side 4096] [--tile 1024] [--channels 8] [--method cyclegan|agit]

Each way runs in a process of its own; its peak of resident memory is what the system tells (ru_maxrss), with the
200 MB of torch itself and the pictures in it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch

from gankit.attention.mask import MaskAttention
from gankit.discriminators.patch import PatchDiscriminator
from gankit.generators.resnet import ResnetGenerator
from gankit.inference.tiles import large
from gankit.methods.attention_guided import AttentionGuided
from gankit.methods.base import Method
from gankit.methods.cyclegan import CycleGAN


def method_of(name: str, channels: int) -> Method:
    torch.manual_seed(0)
    generator = partial(ResnetGenerator, channels=channels, blocks=9)
    critic = partial(PatchDiscriminator, channels=2, layers=1)
    if name == "agit":
        method: Method = AttentionGuided(generator, partial(MaskAttention, channels=channels), critic)
    else:
        method = CycleGAN(generator, critic)
    with torch.no_grad():
        for parameter in method.networks.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return method.eval()


def work(options: argparse.Namespace, tile: int, out: Path) -> None:
    method = method_of(options.method, options.channels)
    torch.manual_seed(1)
    picture = torch.rand(1, 3, options.side, options.side) * 2 - 1
    picture[..., : options.side // 3] *= 0.2  # the parts' statistics differ
    start = time.perf_counter()
    result, _ = large(method, picture, "a2b", tile)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    torch.save({"result": result, "seconds": seconds, "peak": peak}, out)


def measured(options: argparse.Namespace, tile: int, folder: Path) -> dict[str, Any]:
    out = folder / f"{tile}.pt"
    process = multiprocessing.get_context("spawn").Process(target=work, args=(options, tile, out))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"the process with tile {tile} ended with {process.exitcode}")
    return torch.load(out, weights_only=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--method", choices=["cyclegan", "agit"], default="cyclegan")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, tiles = (measured(options, tile, Path(folder)) for tile in (0, options.tile))
    for name, found in (("whole", whole), (f"tiles of {options.tile}", tiles)):
        print(f"{name:16} {found['seconds']:7.1f} s   peak {found['peak']:.2f} GiB")
    difference = (whole["result"] - tiles["result"]).abs()
    levels = [(x["result"].clamp(-1, 1) + 1).mul(127.5).round() for x in (whole, tiles)]
    print(f"largest difference {difference.max():.2e} of [-1, 1]; pixels that differ in 8 bits: ", end="")
    print(f"{(levels[0] != levels[1]).float().mean():.2e}, by at most {(levels[0] - levels[1]).abs().max():.0f} level")


if __name__ == "__main__":
    main()
