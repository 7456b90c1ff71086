"""Randomness without a memory, so that a run can go on exactly from any step."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def reseed(*words: int) -> None:
    """Seed the generators of Python, NumPy and torch (all devices) with a function of `words`.

    The trainer calls it before each step with (seed, process, step): dropout, image pools and whatever a component
    draws follow from these three numbers, whatever was drawn in between, and no generator's state needs saving.
    """
    a, b, low, high = (int(word) for word in np.random.SeedSequence(words).generate_state(4))
    random.seed(a)
    np.random.seed(b)
    torch.manual_seed(low + (high << 32) - 2**63)


@contextmanager
def untouched() -> Iterator[None]:
    """For others' code: what it draws of random numbers, and how it sets gradients and the default dtype, is undone."""
    python, arrays, dtype = random.getstate(), np.random.get_state(), torch.get_default_dtype()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices), torch.no_grad():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)
        torch.set_default_dtype(dtype)
