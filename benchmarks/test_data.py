"""From files to training pictures: ours against the pipeline of the CycleGAN code, one picture at a time, on one core.

`float` hands over what the reference does; `uint8` is what a loader does where a GPU does the rest. Drawn photos of
three sizes; and real ones, where `GANKIT_REAL_PICTURES` names a folder with `cat2dog`.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision import transforms as v1

from benchmarks.drawn_photos import draw_photos
from gankit.data.loader import make_loader
from gankit.data.single import Single

REAL = Path(os.environ.get("GANKIT_REAL_PICTURES", "")) / "cat2dog" / "trainA"
SIZES = {"256x256": (256, 256), "512x512": (512, 512), "1024x768": (1024, 768)}
COUNT, ROUNDS = 32, 7
WAYS: dict[str, dict[str, Any]] = {
    "exact": {"cache": "none", "exact": True},
    "uncached": {"cache": "none"},
    "ram": {"cache": "ram"},
    "disk": {"cache": "disk"},
}

REFERENCE = v1.Compose(
    [
        v1.Resize([286, 286], v1.InterpolationMode.BICUBIC),
        v1.RandomCrop(256),
        v1.RandomHorizontalFlip(),
        v1.ToTensor(),
        v1.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ]
)
"""What the CycleGAN code does to a picture that PIL has opened."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, smallest: bool) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for name, (width, height) in list(SIZES.items())[: 1 if smallest else None]:
        draw_photos(root / name, width, height, COUNT)
    return root


@pytest.fixture(params=[*SIZES, "real"])
def photos(request: pytest.FixtureRequest, drawn: Path, smallest: bool) -> Path:
    if smallest and request.param != next(iter(SIZES)):
        pytest.skip("one size is enough")
    if request.param == "real" and not REAL.is_dir():
        pytest.skip("GANKIT_REAL_PICTURES names no folder with cat2dog")
    return REAL if request.param == "real" else drawn / request.param


@pytest.fixture(autouse=True)
def one_core() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def reference(folder: Path) -> Callable[[], int]:
    files = sorted(folder.glob("*.jpg"))
    return lambda: sum(len(REFERENCE(Image.open(file).convert("RGB"))[None]) for file in files)


def ours(folder: Path, kept: Path, way: str, handed_over: str) -> Callable[[], int]:
    data = Single(root=str(folder), train=".", enlarge=True, cache_folder=str(kept), **WAYS[way.split(",")[0]])
    epochs = itertools.count()

    def run() -> int:
        loader = make_loader(data, 1, epoch=next(epochs), place_on_device="device" in way)
        return sum(1 for _ in (loader if handed_over == "float" else loader.batches))

    return run


def seconds(function: Callable[[], int]) -> float:
    """Of this process's CPU time."""
    start = time.process_time()
    function()
    return time.process_time() - start


@pytest.mark.benchmark(group="data/picture")
@pytest.mark.parametrize(
    ("way", "handed_over"), [*((way, as_) for way in WAYS for as_ in ("float", "uint8")), ("ram, device", "uint8")]
)
def test_picture(benchmark: Any, photos: Path, tmp_path: Path, way: str, handed_over: str, smallest: bool) -> None:
    rounds = 1 if smallest else ROUNDS
    run, theirs = ours(photos, tmp_path, way, handed_over), reference(photos)
    count = run()
    assert theirs() == count
    benchmark.pedantic(run, rounds=rounds, warmup_rounds=1)
    pairs = [(seconds(theirs), seconds(run)) for _ in range(rounds)]
    benchmark.extra_info |= {
        "pictures": count,
        "ms": 1000 * statistics.median(own for _, own in pairs) / count,  # of a picture
        "reference_ms": 1000 * statistics.median(other for other, _ in pairs) / count,
        "ratio_to_reference": statistics.median(other / own for other, own in pairs),
        "ratio_min": min(other / own for other, own in pairs),
        "torch": torch.__version__,
        "device": "cpu, 1 thread",
    }
