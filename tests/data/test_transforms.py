"""The five ways of preprocessing, held against compositions of torchvision's PIL transforms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision import transforms as v1

from gankit.data.transforms import Placement, Transform

BICUBIC = v1.InterpolationMode.BICUBIC
sizes = st.integers(33, 90)


def random_picture(height: int, width: int, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(height * 1000 + width)
    return torch.randint(0, 256, (channels, height, width), dtype=torch.uint8, generator=generator)


def reference(picture: Tensor, seed: int, steps: list) -> Tensor:
    torch.manual_seed(seed)
    steps = [v1.ToPILImage(), *steps, v1.RandomHorizontalFlip(), v1.ToTensor(), v1.Normalize(0.5, 0.5)]
    return v1.Compose(steps)(picture)


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, st.integers(0, 99), st.integers(20, 60), st.integers(0, 30), st.sampled_from([1, 3]))
def test_equal_to_pil_from_the_same_seed(height, width, seed, crop, more, channels):
    picture = random_picture(height, width, channels)
    load = crop + more
    proportional = [int(max(load * height / width, crop)), load]
    if width == load and height >= crop:
        proportional = [height, width]
    rounded = [round(height / 4) * 4, round(width / 4) * 4]
    steps = {
        "resize_and_crop": [v1.Resize([load, load], BICUBIC), v1.RandomCrop(crop)],
        "scale_width": [v1.Resize(proportional, BICUBIC)],
        "scale_width_and_crop": [v1.Resize(proportional, BICUBIC), v1.RandomCrop(crop)],
        "none": [v1.Resize(rounded, BICUBIC)],
    }
    if crop <= min(height, width):
        steps["crop"] = [v1.RandomCrop(crop)]
    for preprocess, expected in steps.items():
        ours = Transform(preprocess, load, crop)(picture, torch.Generator().manual_seed(seed))  # type: ignore[arg-type]
        assert torch.equal(ours, reference(picture, seed, expected)), preprocess


def test_no_global_generator_is_used():
    before = torch.get_rng_state()
    Transform("resize_and_crop", 50, 40)(random_picture(60, 70), torch.Generator().manual_seed(1))
    assert torch.equal(before, torch.get_rng_state())


def test_crops_and_flips_cover_all_places():
    transform = Transform("crop", 9, 8)
    generator = torch.Generator().manual_seed(0)
    drawn = {transform.draw(torch.zeros(3, 9, 10), generator) for _ in range(200)}
    assert drawn == {Placement(t, left, f) for t in (0, 1) for left in (0, 1, 2) for f in (False, True)}
    assert not any(Transform("crop", 9, 8, flip=False).draw(torch.zeros(3, 8, 9), generator).flip for _ in range(30))


def test_without_generator_the_middle():
    assert Transform("crop", 9, 8).draw(torch.zeros(3, 12, 9), None) == Placement(2, 0, False)


def test_for_test_keeps_the_whole_picture():
    picture = random_picture(40, 60)
    transform = Transform("resize_and_crop", 72, 64).for_test()
    generator = torch.Generator().manual_seed(0)
    pictures = [transform(picture, generator) for _ in range(3)]
    assert all(torch.equal(p, pictures[0]) for p in pictures) and pictures[0].shape == (3, 64, 64)


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match="load_size 60 is smaller than crop_size 64"):
        Transform("resize_and_crop", 60, 64)
    with pytest.raises(ValueError, match="30 x 40 px is smaller than crop_size 32"):
        Transform("crop", 0, 32)(random_picture(40, 30), torch.Generator())
    assert Transform("none", 60, 64)(random_picture(3, 1)).shape == (3, 4, 4)
