"""The five ways of preprocessing, held against compositions of torchvision's PIL transforms."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torchvision import transforms as v1

from gankit.data.placed import Placed, PlacedBatch, Placement
from gankit.data.transforms import Transform

BICUBIC = v1.InterpolationMode.BICUBIC
FILTERS = ("bicubic", "bilinear", "nearest", "lanczos")
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
        for exact in (True, False):
            transform = Transform(preprocess, load, crop, exact=exact)  # type: ignore[arg-type]
            ours = transform(picture, torch.Generator().manual_seed(seed))
            theirs = reference(picture, seed, expected)
            if exact or preprocess == "crop":
                assert torch.equal(ours, theirs), preprocess
            else:
                assert ours.shape == theirs.shape


def photo(height: int, width: int) -> Tensor:
    """A smooth picture with edges, (H, W, 3) in memory, as decoders give it."""
    y, x = torch.meshgrid(torch.linspace(0, 9, height), torch.linspace(0, 12, width), indexing="ij")
    waves = torch.stack([y.sin() + x.cos(), (x * y).sin(), (x > 6).float() + (y + x).cos()], -1)
    return ((waves / 4 + 0.5).clamp(0, 1) * 255).to(torch.uint8).permute(2, 0, 1)


@pytest.mark.parametrize("way", FILTERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_filter_is_pils(way, channels: int):
    picture = random_picture(50, 70, channels)
    theirs = v1.Compose([v1.ToPILImage(), v1.Resize([36, 36], v1.InterpolationMode(way)), v1.PILToTensor()])(picture)
    transform = Transform("resize_and_crop", 36, 36, flip=False, interpolation=way)
    assert torch.equal(transform.for_test().resize(picture), theirs)
    assert transform.for_test().interpolation == way
    floats = picture.float() / 512  # as of files of more than 8 bits; no filter reaches beyond [-1, 1]
    planes = [Image.fromarray(plane.numpy()).resize((36, 36), Image.Resampling[way.upper()]) for plane in floats]
    theirs = torch.stack([torch.from_numpy(np.array(plane)) for plane in planes])
    torch.testing.assert_close(transform.resize(floats), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("way", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(120, 200), (200, 300), (64, 64)])
def test_the_fast_resize_is_near_pils(size: tuple[int, int], way):
    picture, how = photo(*size), {"interpolation": way}
    fast, exact = (Transform("resize_and_crop", 96, 80, exact=exact, **how).resize(picture) for exact in (False, True))
    apart = (fast.int() - exact.int()).abs()
    assert apart.max() <= 2 and (apart > 0).float().mean() < 0.1


def placements(size: int, room: int) -> list[Placement]:
    generator = torch.Generator().manual_seed(size)
    drawn = torch.randint(0, room + 1, (6, 2), generator=generator).tolist()
    return [Placement(top, left, bool(i % 2)) for i, (top, left) in enumerate(drawn)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("interleaved", [True, False])
def test_crops_and_flips_of_a_batch_are_those_of_its_pictures(channels: int, interleaved: bool):
    pictures = [photo(40 + i, 50)[:channels, i:] for i in range(6)]
    pictures = pictures if interleaved else [picture.contiguous() for picture in pictures]
    placed = [Placed(p, at, (32, 36)) for p, at in zip(pictures, placements(3, 8), strict=True)]
    one_by_one = torch.stack([p.finish() for p in placed])
    assert one_by_one.unique(dim=0).shape[0] == 6  # the pictures are different ones
    for cut in (True, False):
        batch = PlacedBatch.of(placed, cut)
        assert batch.pictures.dtype == torch.uint8 and (batch.placements is None) == cut
        finished = batch.finish(torch.device("cpu"))
        assert torch.equal(finished, one_by_one) and finished.is_contiguous()


def test_pictures_of_several_sizes_are_cut_before_they_are_stacked():
    placed = [Placed(photo(40 + i, 50), Placement(i, 2, i == 1), (32, 36)) for i in range(2)]
    batch = PlacedBatch.of(placed, cut=False)
    assert batch.placements is None
    assert torch.equal(batch.finish(torch.device("cpu")), torch.stack([p.finish() for p in placed]))


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


def test_scale_width_has_one_width_in_training_and_test():
    transform = Transform("scale_width", 64, 32)
    assert transform.for_test()(random_picture(40, 80)).shape == transform(random_picture(40, 80)).shape == (3, 32, 64)


@pytest.mark.parametrize(
    ("preprocess", "load_size", "in_training", "in_test"),
    [
        ("resize_and_crop", 60, (32, 48), (32, 48)),
        ("shortest_side_and_crop", 40, (32, 48), (32, 48)),
        ("shortest_side", 40, (40, 60), (40, 60)),
        ("scale_width_and_crop", 60, (32, 48), (32, 48)),
    ],
)
def test_crops_that_are_no_squares_and_the_shortest_side(preprocess, load_size, in_training, in_test):
    transform = Transform(preprocess, load_size, 48, crop_height=32)
    for size in ((80, 120), (120, 80)):
        turned = preprocess == "shortest_side" and size[0] > size[1]
        if preprocess == "shortest_side_and_crop" and size[0] > size[1]:
            with pytest.raises(ValueError, match="40 x 60 px is smaller than crop_size 48, crop_height 32"):
                transform(random_picture(*size), torch.Generator())
            continue
        assert transform(random_picture(*size), torch.Generator()).shape[1:] == in_training[:: -1 if turned else 1]
        assert transform.for_test()(random_picture(*size)).shape[1:] == in_test[:: -1 if turned else 1]


@pytest.mark.parametrize("deep", [False, True])
def test_parts_of_several_scales_are_reduced_to_the_crop(deep: bool) -> None:
    transform = Transform("resize_and_crop", 64, 24, crop_height=16, largest_crop=48, flip=False)
    down, across = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    picture = torch.stack([down, across, down])
    picture = picture if deep else ((picture + 1) * 127.5).round().to(torch.uint8)
    generator, scales = torch.Generator().manual_seed(0), []
    for _ in range(60):
        placement = transform.draw(picture, generator)
        (height, width), part = transform.part_size(placement.times), transform.at(picture, placement).finish()
        assert placement.top + height <= 64 and placement.left + width <= 64
        assert part.shape == (3, 16, 24) and part.dtype == torch.float32
        middle = (placement.top + height / 2 - 0.5) / 31.5 - 1, (placement.left + width / 2 - 0.5) / 31.5 - 1
        torch.testing.assert_close(part.mean((1, 2))[:2], torch.tensor(middle), atol=0.01, rtol=0)
        scales.append(((part[1, :, -2] - part[1, :, 1]).mean() * 31.5 / 21).item())
        assert scales[-1] == pytest.approx(placement.times, abs=0.1)
    assert min(scales) < 1.1 and max(scales) > 1.9
    assert transform.for_test()(picture).shape == (3, 16, 24)
    assert transform.draw(picture, None).times == 1


def test_a_map_keeps_its_classes_at_every_scale_and_a_batch_its_parts() -> None:
    transform = Transform("crop", crop_size=8, largest_crop=32)
    classes = torch.randint(0, 3, (1, 40, 20), dtype=torch.uint8)
    placements = [transform.draw(classes, torch.Generator().manual_seed(i)) for i in range(6)]
    assert 1 < max(placement.times for placement in placements) <= 20 / 8  # as far as the picture goes
    placed = [transform.at(classes, placement, 3) for placement in placements]
    assert all(one.finish().sum(0).eq(1).all() and one.finish().shape == (3, 8, 8) for one in placed)
    batch = PlacedBatch.of(placed, cut=False).finish(torch.device("cpu"))
    torch.testing.assert_close(batch, torch.stack([one.finish() for one in placed]), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (partial(Transform, "scale_width", 64, 32), "scale_width crops nothing: leave out largest_crop"),
        (partial(Transform, "crop", 64, 50), "largest_crop 48 is smaller than crop_size 50"),
        (partial(Transform, "scale_width_and_crop", 47, 32), "too small for largest_crop 48: it must be 48 at least"),
        (partial(Transform, "resize_and_crop", 64, 32, crop_height=48), "largest_crop 48: it must be 72 at least"),
        (partial(Transform, "shortest_side_and_crop", 23, 32, crop_height=16), "it must be 24 at least"),
    ],
)
def test_largest_crops_that_do_not_fit(transform, message):
    transform()
    with pytest.raises(ValueError, match=message):
        transform(largest_crop=48)


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match="load_size 60 is smaller than crop_size 64"):
        Transform("resize_and_crop", 60, 64)
    with pytest.raises(ValueError, match="30 x 40 px is smaller than crop_size 32"):
        Transform("crop", 0, 32)(random_picture(40, 30), torch.Generator())
    assert Transform("none", 60, 64)(random_picture(3, 1)).shape == (3, 4, 4)
