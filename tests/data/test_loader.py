"""Batches are functions of (seed, epoch, index): they resume exactly, whoever loads them."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from gankit.core.errors import DataError
from gankit.data.cache import Cache
from gankit.data.loader import make_loader
from gankit.data.shapes import Shapes
from gankit.data.single import Single
from gankit.fields import Label, Mask, Picture, Segmentation, Vector


class Noise:
    """Items that are random through and through, and remember their index."""

    fields: ClassVar = {"a": Picture(1)}
    size = 2

    def __init__(self, count: int, broken: int = -1):
        self.count, self.broken = count, broken

    def __len__(self) -> int:
        return self.count

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        if index == self.broken:
            raise DataError(f"item {index} is broken; repair it")
        return {"a": torch.rand(1, 2, 2, generator=generator), "index": torch.tensor(index).view(1, 1)}

    def split(self, name: str) -> Noise:
        return self


class Process(Noise):
    """Items that tell who made them."""

    fields: ClassVar = {}

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {"process": torch.tensor(os.getpid()).view(1, 1)}


def batches(count: int, size: int, **options) -> list[dict[str, Tensor]]:
    return list(make_loader(Noise(count), size, **options))


def same(first: list[dict[str, Tensor]], second: list[dict[str, Tensor]]) -> bool:
    return len(first) == len(second) and all(
        a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) for a, b in zip(first, second, strict=True)
    )


def indices(found: list[dict[str, Tensor]]) -> list[int]:
    return [int(i) for batch in found for i in batch["index"].flatten()]


many = settings(max_examples=40, deadline=None)
counts, batch_sizes, some_seeds = st.integers(1, 40), st.integers(1, 7), st.integers(0, 2**63 - 1)


@many
@given(counts, batch_sizes, some_seeds, st.integers(0, 9), st.data())
def test_resuming_gives_the_batches_that_were_left(count, size, seed, epoch, data):
    options = {"seed": seed, "epoch": epoch, "drop_last": False}
    whole = batches(count, size, **options)
    start = data.draw(st.integers(0, len(whole)))
    assert same(batches(count, size, start_batch=start, **options), whole[start:])
    assert len(make_loader(Noise(count), size, start_batch=start, **options)) == len(whole) - start


@many
@given(counts, batch_sizes, some_seeds, st.booleans())
def test_an_epoch_has_every_item_once(count, size, seed, drop_last):
    if drop_last and count < size:
        return
    found = indices(batches(count, size, seed=seed, drop_last=drop_last))
    assert len(set(found)) == len(found)
    assert len(found) == (count // size * size if drop_last else count)
    assert indices(batches(count, size, shuffle=False, drop_last=False)) == list(range(count))


@many
@given(batch_sizes, st.integers(1, 4), st.integers(0, 30), some_seeds, st.booleans())
def test_processes_see_together_what_one_sees_alone(size, world, more, seed, drop_last):
    count = size * world + more
    alone = batches(count, size * world, seed=seed, drop_last=drop_last)
    shares = [batches(count, size, seed=seed, rank=r, world=world, drop_last=drop_last) for r in range(world)]
    joined = [
        {key: torch.cat([share[i][key] for share in shares if i < len(share)]) for key in alone[0]}
        for i in range(len(alone))
    ]
    assert same(joined, alone)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers: int):
    options = {"seed": 5, "epoch": 2, "start_batch": 1}
    assert same(batches(23, 4, workers=workers, **options), batches(23, 4, **options))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_endless_loader_goes_through_the_epochs(workers: int):
    endless = iter(make_loader(Noise(11), 4, seed=3, epoch=1, start_batch=1, endless=True, workers=workers))
    found = [next(endless) for _ in range(5)]
    epochs = [batches(11, 4, seed=3, epoch=epoch) for epoch in (1, 2, 3)]
    assert same(found, [*epochs[0][1:], *epochs[1], *epochs[2]])


def test_an_endless_loader_of_no_batch_ends():
    assert not list(make_loader(Noise(1), 1, rank=1, world=2, drop_last=False, endless=True))


def test_the_workers_of_an_endless_loader_live_on():
    endless = iter(make_loader(Process(3), 1, endless=True, workers=1))
    workers = {int(next(endless)["process"]) for _ in range(7)}
    assert len(workers) == 1 and os.getpid() not in workers


@pytest.mark.parametrize("workers", [0, 2])
def test_pictures_placed_on_the_device_are_the_same(tmp_path: Path, workers: int):
    for i in range(5):
        pixels = np.random.default_rng(i).integers(0, 256, (40 + i, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.jpg")
    for preprocess in ("resize_and_crop", "scale_width_and_crop", "crop"):
        data = Single(root=str(tmp_path), train=".", preprocess=preprocess, load_size=36, crop_size=24)
        items = [data.item(i, torch.Generator().manual_seed(0))["a"] for i in range(5)]
        assert all(item.dtype == torch.float32 and item.shape == (3, 24, 24) for item in items)
        here, there = (
            list(make_loader(data, 2, workers=workers, place_on_device=on_device)) for on_device in (False, True)
        )
        assert same(here, there) and here[0]["a"].dtype == torch.float32


def test_an_item_of_a_subclass_is_respected(tmp_path: Path):
    class Dark(Single):
        def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
            return {"a": super().item(index, generator)["a"] / 2 - 0.5}

    Image.new("RGB", (24, 24), "white").save(tmp_path / "x.png")
    assert next(iter(make_loader(Dark(root=str(tmp_path), train=".", crop_size=16, load_size=20), 1)))["a"].max() == 0


def test_workers_share_a_drawn_data_set():
    alone = list(make_loader(Shapes(size=16, train=8), 2, seed=1))
    data = Shapes(size=16, train=8)
    assert same(list(make_loader(data, 2, seed=1, workers=2)), alone)
    assert data._cache is not None and data._cache._ready.all()  # drawn in the workers, kept for the next epoch
    assert same(list(make_loader(data, 2, seed=1)), alone)


def test_seeds_and_epochs_differ():
    found = [batches(30, 30, seed=s, epoch=e)[0] for s, e in ((0, 0), (0, 1), (1, 0), (1, 1))]
    for i, one in enumerate(found):
        for other in found[i + 1 :]:
            assert not torch.equal(one["index"], other["index"])
            assert not torch.isin(one["a"], other["a"]).any()
    assert found[0]["a"].unique().numel() == 120  # every item has numbers of its own


def test_an_item_does_not_depend_on_its_batch():
    by_index = [
        dict(zip(indices(b), torch.cat([x["a"] for x in b]), strict=True)) for b in (batches(12, 3), batches(12, 4))
    ]
    assert all(torch.equal(by_index[0][i], by_index[1][i]) for i in range(12))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_global_generators_stay_untouched(workers: int):
    torch.manual_seed(0)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    batches(8, 2, workers=workers)
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])  # type: ignore[index]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_error_comes_out_of_a_worker_as_it_is(workers: int):
    with pytest.raises(DataError, match=r"^item 3 is broken; repair it$"):
        list(make_loader(Noise(6, broken=3), 2, workers=workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_what_came_before_a_failure_is_handed_over(workers: int):
    loader = iter(make_loader(Noise(9, broken=5), 1, shuffle=False, workers=workers))
    assert indices([next(loader) for _ in range(5)]) == [0, 1, 2, 3, 4]
    with pytest.raises(DataError, match="item 5 is broken"):
        next(loader)


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_of_several_sizes(tmp_path: Path, workers: int):
    for i in range(4):
        Image.new("RGB", (24 + 4 * i, 24), (50 * i, 0, 0)).save(tmp_path / f"{i}.png")
    data = Single(root=str(tmp_path), train=".", preprocess="none")
    found = [batch["a"] for batch in make_loader(data, 1, shuffle=False, workers=workers)]
    assert [tuple(a.shape) for a in found] == [(1, 3, 24, 24 + 4 * i) for i in range(4)]
    assert [round((a[0, 0, 0, 0].item() + 1) * 127.5) for a in found] == [0, 50, 100, 150]


def test_too_few_items_for_one_batch():
    with pytest.raises(DataError, match="3 items are less than one batch of 4: lower batch_size"):
        make_loader(Noise(3), 2, world=2)
    assert len(make_loader(Noise(3), 4, drop_last=False)) == 1


def test_the_cache_makes_each_entry_once():
    cache = Cache([(2, 3), (4,)])
    made = []

    def make() -> Tensor:
        made.append(1)
        return torch.arange(6, dtype=torch.uint8).view(2, 3)

    assert torch.equal(cache.get(0, make), cache.get(0, make)) and len(made) == 1
    copy = pickle.loads(pickle.dumps(cache))  # as spawned workers get it: empty, and of the same shapes
    assert torch.equal(copy.get(0, make), cache.get(0, make)) and len(made) == 2
    with pytest.raises(DataError):
        cache.get(1, lambda: (_ for _ in ()).throw(DataError("broken")))
    assert cache.get(1, lambda: torch.ones(4, dtype=torch.uint8)).sum() == 4


class Described:
    """Items with fields of every kind."""

    fields: ClassVar = {
        "a": Picture(3),
        "label": Label(4),
        "pose": Vector(2),
        "segmentation": Segmentation(3, of="a"),
        "mask": Mask(of="a"),
    }
    size = 8

    def __init__(self, label: int | None = None, without: str = "") -> None:
        self.label, self.without = label, without

    def __len__(self) -> int:
        return 6

    def split(self, name: str) -> Described:
        return self

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        drawn = {name: field.draw(1, (8, 8), generator)[0] for name, field in self.fields.items()}
        drawn["label"] = torch.tensor(index % 4 if self.label is None else self.label)
        return {name: value for name, value in drawn.items() if name != self.without}


@pytest.mark.parametrize("workers", [0, 2])
def test_fields_of_every_kind_are_stacked(workers: int) -> None:
    found = list(make_loader(Described(), 2, workers=workers, shuffle=False))
    assert [batch["label"].tolist() for batch in found] == [[0, 1], [2, 3], [0, 1]]
    shapes = {"a": (2, 3, 8, 8), "label": (2,), "pose": (2, 2), "segmentation": (2, 3, 8, 8), "mask": (2, 1, 8, 8)}
    assert {name: tuple(x.shape) for name, x in found[0].items()} == shapes
    assert found[0]["label"].dtype == torch.int64


def test_items_that_are_not_what_is_declared_are_told() -> None:
    with pytest.raises(DataError, match=r"`label` of item 0 is 4, but it is declared as a whole number from 0 to 3"):
        list(make_loader(Described(label=4), 1, shuffle=False))
    with pytest.raises(DataError, match=r"item 0 of the data set has no `pose`, which its `fields` declare"):
        list(make_loader(Described(without="pose"), 1, shuffle=False))
