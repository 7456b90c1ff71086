"""Batches in an order, and with random choices, that are functions of (seed, epoch, index) alone.

No generator lives on from batch to batch, so that a run goes on exactly from (epoch, batch), whatever the number of
workers, and several processes see together what one sees alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils import data as torch_data

from gankit.core.errors import DataError
from gankit.data.dataset import Dataset

Batch = dict[str, Tensor]
_ORDER, _ITEM = 0, 1  # what a stream of random numbers is for


class Loader:
    """The batches of one epoch that are left: iterable as often as wanted, and sized."""

    def __init__(self, batches: torch_data.DataLoader, count: int):
        self._batches = batches
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._batches:
            if isinstance(batch, _Failure):
                raise DataError(batch.message)
            yield batch


def make_loader(
    dataset: Dataset,
    batch_size: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    start_batch: int = 0,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
    drop_last: bool = True,
    shuffle: bool = True,
    pin_memory: bool = False,
) -> Loader:
    """The batches of one epoch, from `start_batch` on: dicts of the data set's fields, stacked to (N, ...).

    The epoch is cut into joined batches of `world * batch_size` items, of which process `rank` takes its part. The
    order is a permutation from (seed, epoch), or that of the data set without `shuffle`. workers: processes that
    decode; 0 decodes here. Raises DataError where `drop_last` would leave no batch, and, while iterating, where
    pictures fail or do not stack.
    """
    joined = world * batch_size
    count = len(dataset)
    if drop_last and count < joined:
        raise DataError(f"{count} items are less than one batch of {joined}: lower batch_size, or add pictures")
    if shuffle:
        order = torch.randperm(count, generator=_generator(_ORDER, seed, epoch)).tolist()
    else:
        order = list(range(count))
    starts = range(0, count - joined + 1 if drop_last else count, joined)[start_batch:]
    parts = [order[start : start + joined][rank * batch_size : (rank + 1) * batch_size] for start in starts]
    parts = [part for part in parts if part]
    loader = torch_data.DataLoader(
        _Items(dataset, seed, epoch),
        sampler=parts,  # a "sample" is a whole batch: with batch_size None torch neither shuffles nor stacks
        batch_size=None,
        num_workers=min(workers, len(parts)),
        pin_memory=pin_memory,
        generator=torch.Generator(),  # else each epoch would draw from, and so change, the global one
    )
    return Loader(loader, len(parts))


def _generator(purpose: int, seed: int, epoch: int, index: int = 0) -> torch.Generator:
    state = np.random.SeedSequence((purpose, seed, epoch, index)).generate_state(1)
    return torch.Generator().manual_seed(int(state[0]))


class _Failure(NamedTuple):
    """A DataError on its way out of a worker; torch would wrap the error itself in the worker's traceback."""

    message: str


class _Items(torch_data.Dataset):
    """Whole batches by their list of indices."""

    def __init__(self, dataset: Dataset, seed: int, epoch: int):
        self._dataset, self._seed, self._epoch = dataset, seed, epoch

    def __getitem__(self, indices: list[int]) -> Batch | _Failure:
        try:
            items = [self._dataset.item(i, _generator(_ITEM, self._seed, self._epoch, i)) for i in indices]
            return {name: _stack(name, [item[name] for item in items]) for name in items[0]}
        except DataError as error:
            return _Failure(str(error))


def _stack(name: str, tensors: list[Tensor]) -> Tensor:
    shapes = {tuple(t.shape[-2:]) for t in tensors}
    if len(shapes) > 1:
        sizes = ", ".join(f"{w} x {h}" for h, w in sorted(shapes)[:3])
        raise DataError(
            f"a batch has pictures of several sizes in {name} ({sizes}): use a cropping preprocess, or batch_size 1"
        )
    return torch.stack(tensors)
