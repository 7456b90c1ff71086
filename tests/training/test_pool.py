from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from gankit.training.pool import ImagePool


class Scripted:
    """Draws that a test dictates."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = list(numbers)

    def uniform(self, a: float, b: float) -> float:
        return self.numbers.pop(0)

    def randint(self, a: int, b: int) -> int:
        number = int(self.numbers.pop(0))
        assert a <= number <= b
        return number


def pictures(*values: float) -> Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1)


def shown(images: Tensor) -> list[float]:
    return images.flatten().tolist()


def test_fills_without_a_draw_then_exchanges_half_of_the_time() -> None:
    pool = ImagePool(2, Scripted(0.5, 0.51, 0, 0.9, 0))
    assert shown(pool.query(pictures(1, 2))) == [1, 2]
    assert shown(pool.query(pictures(3))) == [3]  # 0.5 is not above 0.5: the new one, not stored
    assert shown(pool.query(pictures(4))) == [1]  # takes the place of the old one
    assert shown(pool.query(pictures(5))) == [4]
    assert [entry[0].item() for entry in pool.entries] == [5, 2]


def test_size_zero_passes_through() -> None:
    pool = ImagePool(0, Scripted())
    assert shown(pool.query(pictures(1, 2, 3))) == [1, 2, 3] and len(pool) == 0
    with pytest.raises(ValueError, match="at least"):
        ImagePool(-1)


def test_pictures_and_masks_stay_together() -> None:
    pool = ImagePool(3, random.Random(0))
    for value in range(30):
        image, mask = pool.query((pictures(value, value + 100), pictures(-value, -value - 100)))
        assert torch.equal(image, -mask)


def test_what_is_returned_is_detached_and_its_own() -> None:
    pool = ImagePool(1)
    fakes = pictures(1.0).requires_grad_()
    returned = pool.query(fakes)
    assert not returned.requires_grad
    returned.fill_(7)
    assert pool.entries[0][0].item() == 1


def test_resumes_exactly() -> None:
    one, other = ImagePool(4, random.Random(1)), ImagePool(4, random.Random())
    for value in range(10):
        one.query((pictures(value), pictures(-value)))
    assert isinstance(one.rng, random.Random) and isinstance(other.rng, random.Random)
    other.load_state_dict({k: v.clone() for k, v in one.state_dict().items()})
    other.rng.setstate(one.rng.getstate())
    for value in range(10, 30):
        pair = (pictures(value), pictures(-value))
        assert all(torch.equal(a, b) for a, b in zip(one.query(pair), other.query(pair), strict=True))


def test_keeps_pictures_of_different_sizes() -> None:
    pool, copy = ImagePool(2), ImagePool(2)
    pool.query(torch.zeros(1, 3, 4, 4))
    pool.query(torch.zeros(1, 3, 6, 2))
    copy.load_state_dict(pool.state_dict())
    assert [tuple(entry[0].shape) for entry in copy.entries] == [(3, 4, 4), (3, 6, 2)]


def test_a_state_that_does_not_fit_is_refused() -> None:
    full = ImagePool(3)
    full.query(pictures(1, 2, 3))
    state = full.state_dict()
    with pytest.raises(ValueError, match="size 2"):
        ImagePool(2).load_state_dict(state)
    with pytest.raises(ValueError, match="other keys"):
        ImagePool(3).load_state_dict({k: v for k, v in state.items() if k != "1.0"} | {"x": pictures(1)})
    with pytest.raises(ValueError, match="count is -1"):
        ImagePool(3).load_state_dict({})
