"""Randomness without a memory, so that a run can go on exactly from any step."""

from __future__ import annotations

import random

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
