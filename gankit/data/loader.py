"""Batches in an order, and with random choices, that are functions of (seed, epoch, index) alone.

No generator lives on from batch to batch, so that a run goes on exactly from (epoch, batch), whatever the number of
workers, and several processes see together what one sees alone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils import data as torch_data

from gankit.core.errors import DataError, GankitError
from gankit.data.dataset import Dataset, PlacedDataset
from gankit.data.placed import Placed, PlacedBatch
from gankit.fields import Field

Batch = dict[str, Tensor]
Item = Mapping[str, Tensor | Placed]
Fields = dict[str, Tensor | PlacedBatch]
MESSAGE = 4
"""Items that a worker hands over at once, where batches are smaller: a message costs as much as to cut ten pictures.
More of them would fill the little shared memory that containers have."""
_ORDER, _ITEM = 0, 1  # what a stream of random numbers is for


@dataclass(frozen=True)
class Loader:
    """The batches that are left: iterable as often as wanted. Its length is that of the epoch that it begins with."""

    batches: torch_data.DataLoader
    count: int
    device: torch.device

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Batch]:
        for message in self.batches:
            for part in message:
                if isinstance(part, _Failure):
                    raise part.error
                for fields in part.batches():
                    yield {name: self._on_device(field) for name, field in fields.items()}

    def _on_device(self, field: Tensor | PlacedBatch) -> Tensor:
        if isinstance(field, PlacedBatch):
            return field.finish(self.device)
        return field.to(self.device, non_blocking=True)


def make_loader(
    dataset: Dataset,
    batch_size: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    start_batch: int = 0,
    endless: bool = False,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
    drop_last: bool = True,
    shuffle: bool = True,
    device: torch.device | str = "cpu",
    place_on_device: bool = False,
) -> Loader:
    """The batches of an epoch, from `start_batch` on: dicts of the data set's fields on `device`, stacked to (N, ...).

    The epoch is cut into joined batches of `world * batch_size` items, of which process `rank` takes its part. The
    order is a permutation from (seed, epoch), or that of the data set without `shuffle`. endless: go on with the next
    epochs, by the same workers, which prepare them while this one ends. workers: processes that decode; 0 decodes here.
    Pictures travel as uint8 and become float on `device`. place_on_device: crop and flip there too; no bit differs.

    Raises DataError where `drop_last` would leave no batch, and, while iterating, where pictures fail or do not stack.
    """
    order = _Order(len(dataset), batch_size, seed, rank, world, drop_last, shuffle)
    joined = world * batch_size
    if drop_last and len(dataset) < joined:
        raise DataError(f"{len(dataset)} items are less than one batch of {joined}: lower batch_size, or add pictures")
    left = max(0, len(order) - start_batch)
    device = torch.device(device)
    together = max(1, MESSAGE // batch_size) if workers else 1
    loader = torch_data.DataLoader(
        _Batches(dataset, seed, not place_on_device),
        sampler=_Turns(order, epoch, start_batch, endless, together),
        batch_size=None,  # a "sample" is a message of whole batches: torch neither shuffles nor stacks
        collate_fn=_as_it_is,
        num_workers=workers if endless else min(workers, -(-left // together)),
        pin_memory=device.type == "cuda",
        worker_init_fn=_outlive_a_signal,
        generator=torch.Generator(),  # else each epoch would draw from, and so change, the global one
    )
    return Loader(loader, left, device)


def _outlive_a_signal(_: int) -> None:
    """In a worker: end at the second SIGTERM only. The first may go to all processes of a group, as `timeout` and
    clusters send it, and a worker that ended before the main process has saved would take the run with it."""
    sent: list[int] = []

    def handle(number: int, _: object) -> None:
        if sent:
            os._exit(128 + number)
        sent.append(number)

    signal.signal(signal.SIGTERM, handle)


@dataclass(frozen=True)
class _Order:
    """One process's batches of indices in an epoch."""

    items: int
    batch_size: int
    seed: int
    rank: int
    world: int
    drop_last: bool
    shuffle: bool

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def starts(self) -> range:
        """Where this process's part of each joined batch begins."""
        joined, first = self.world * self.batch_size, self.rank * self.batch_size
        return range(first, first + self.items - joined + 1 if self.drop_last else self.items, joined)

    def batches(self, epoch: int) -> list[list[int]]:
        order = list(range(self.items))
        if self.shuffle:
            order = torch.randperm(self.items, generator=_generator(_ORDER, self.seed, epoch)).tolist()
        return [order[start : start + self.batch_size] for start in self.starts]


@dataclass(frozen=True)
class _Turns:
    """(epoch, indices) of each batch, of one epoch or without end, some `together`."""

    order: _Order
    epoch: int
    start_batch: int
    endless: bool
    together: int

    def __iter__(self) -> Iterator[list[tuple[int, list[int]]]]:
        turns = self._turns()
        while message := list(islice(turns, self.together)):
            yield message

    def _turns(self) -> Iterator[tuple[int, list[int]]]:
        epoch, start = self.epoch, self.start_batch
        while True:
            for indices in self.order.batches(epoch)[start:]:
                yield epoch, indices
            if not self.endless or not len(self.order):
                return
            epoch, start = epoch + 1, 0


def _generator(purpose: int, seed: int, epoch: int, index: int = 0) -> torch.Generator:
    state = np.random.SeedSequence((purpose, seed, epoch, index)).generate_state(1)
    return torch.Generator().manual_seed(int(state[0]))


def _as_it_is(batch: Any) -> Any:
    """Torch's own default walks through the batch in search of arrays."""
    return batch


class _Failure(NamedTuple):
    """An error on its way out of a worker; torch would wrap the error itself in the worker's traceback."""

    error: GankitError


class _Joined(NamedTuple):
    """The fields of some batches, one after the other, and how many items each of the batches has."""

    fields: Fields
    counts: list[int]

    def batches(self) -> Iterator[Fields]:
        start = 0
        for count in self.counts:
            part = slice(start, start + count)
            yield {k: v.part(part) if isinstance(v, PlacedBatch) else v[part] for k, v in self.fields.items()}
            start += count


class _Batches(torch_data.Dataset):
    """Whole batches by their epochs and lists of indices; a failure is the last of a message."""

    def __init__(self, dataset: Dataset, seed: int, cut: bool):
        self._dataset, self._seed, self._cut = dataset, seed, cut

    def __getitem__(self, turns: list[tuple[int, list[int]]]) -> list[_Joined | _Failure]:
        item, batches = _item_of(self._dataset), []
        try:
            for epoch, indices in turns:
                items = [item(i, _generator(_ITEM, self._seed, epoch, i)) for i in indices]
                _check_fields(self._dataset.fields, indices, items)
                _check_shapes(items)
                batches.append(items)
        except GankitError as error:
            return [*self._joined(batches), _Failure(error)]
        return self._joined(batches)

    def _joined(self, batches: list[list[Item]]) -> list[_Joined | _Failure]:
        """All in one, where their shapes allow it."""
        if len({str(_shapes(items[0])) for items in batches}) > 1:
            return [self._joined([items])[0] for items in batches]
        items = [item for batch in batches for item in batch]
        names = items[0] if items else ()
        fields = {name: self._stack([item[name] for item in items]) for name in names}
        return [_Joined(fields, [len(batch) for batch in batches])]

    def _stack(self, values: list[Any]) -> Tensor | PlacedBatch:
        return PlacedBatch.of(values, self._cut) if isinstance(values[0], Placed) else torch.stack(values)


def _shapes(item: Item) -> dict[str, tuple[int, ...]]:
    """(height, width) of each field that has a place for each pixel."""
    return {
        k: v.size if isinstance(v, Placed) else tuple(v.shape[-2:])
        for k, v in item.items()
        if isinstance(v, Placed) or v.ndim > 1
    }


def _check_fields(fields: Mapping[str, Field], indices: list[int], items: list[Item]) -> None:
    """Raise DataError where an item is not what its data set declares. Pictures that are placed are of our own."""
    for index, item in zip(indices, items, strict=True):
        if missing := [name for name in fields if name not in item]:
            raise DataError(f"item {index} of the data set has no `{missing[0]}`, which its `fields` declare")
        for name, field in fields.items():
            value = item[name]
            if not isinstance(value, Placed) and (wrong := field.fault(value)) is not None:
                raise DataError(f"`{name}` of item {index} {wrong}")


def _check_shapes(items: list[Item]) -> None:
    shapes = [_shapes(item) for item in items]
    for name in shapes[0]:
        several = sorted({shape[name] for shape in shapes})
        if len(several) > 1:
            sizes = ", ".join(f"{w} x {h}" for h, w in several[:3])
            raise DataError(
                f"a batch has pictures of several sizes in {name} ({sizes}): use a cropping preprocess, or batch_size 1"
            )


def _item_of(dataset: Dataset) -> Callable[[int, torch.Generator], Item]:
    """`placed`, where `item` is made of it."""
    placed = isinstance(dataset, PlacedDataset) and type(dataset).item is PlacedDataset.item
    return dataset.placed if placed else dataset.item  # pyright: ignore[reportAttributeAccessIssue]
