"""Networks in tiles give the whole picture's result."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from gankit.attention.cam import CAM
from gankit.attention.mask import MaskAttention
from gankit.attention.self_attention import SelfAttention
from gankit.attention.timm_heads import SE
from gankit.discriminators.patch import PatchDiscriminator
from gankit.generators.resnet import ResnetGenerator
from gankit.generators.ugatit import UGATITGenerator
from gankit.generators.unet import UNetGenerator
from gankit.inference.tiles import CannotTile, large, tiled
from gankit.inference.translate import translate_paths
from gankit.inference.whole import Statistics
from gankit.methods.attention_guided import AttentionGuided
from gankit.methods.cyclegan import CycleGAN
from gankit.methods.paired import Paired
from gankit.norms.adalin import AdaLIN
from gankit.norms.batch import BatchNorm
from gankit.norms.group import GroupNorm
from gankit.norms.instance import InstanceNorm
from gankit.norms.layer import LayerNorm

critic = partial(PatchDiscriminator, channels=2, layers=1)
resnet = partial(ResnetGenerator, channels=3, blocks=2)
METHODS = {
    "resnet": partial(CycleGAN, resnet),
    "affine": partial(CycleGAN, partial(resnet, norm=partial(InstanceNorm, affine=True))),
    "layer norm, blurs": partial(CycleGAN, partial(resnet, norm=LayerNorm, down="antialiased", up="antialiased")),
    "group norm": partial(CycleGAN, partial(resnet, norm=partial(GroupNorm, groups=3), up="nearest")),
    "batch norm": partial(CycleGAN, partial(resnet, norm=BatchNorm)),
    "tensorflow": partial(CycleGAN, partial(resnet, geometry="tensorflow", padding="zero", ends="zero")),
    "cam and adalin": partial(CycleGAN, partial(resnet, norm=AdaLIN, attention=CAM)),
    "ugatit light": partial(CycleGAN, partial(UGATITGenerator, channels=2, blocks=2, light=True)),
    "agit": partial(AttentionGuided, resnet, partial(MaskAttention, channels=2)),
    "agit, fed what is attended to": partial(
        AttentionGuided, resnet, partial(MaskAttention, channels=2), generator_sees="attended"
    ),
    "unet": partial(Paired, partial(UNetGenerator, channels=2, downs=3, norm=InstanceNorm), noise_at_test=False),
}


def method_of(make):
    torch.manual_seed(0)
    method = make(discriminator=critic).eval()
    with torch.no_grad():
        for parameter in method.networks.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return method


@pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("side", [48, 67])
def test_tiles_are_the_whole_picture(make, side: int) -> None:
    method, picture = method_of(make), torch.rand(1, 3, 131, 214) * 2 - 1
    picture[..., :40] += 3  # tiles whose own statistics are far from the picture's
    whole, attention = method.translate(picture), method.attend(picture)
    with tiled(method, side):
        pieces, attention_in_pieces = method.translate(picture), method.attend(picture)
    assert whole.std() > 0.05
    torch.testing.assert_close(pieces, whole, atol=5e-5, rtol=0)
    if attention_in_pieces is not None:
        torch.testing.assert_close(attention_in_pieces, attention, atol=5e-5, rtol=0)
    assert torch.equal(method.translate(picture), whole)  # nothing is left behind


def test_maps_of_the_whole_picture_are_not_given() -> None:
    method, picture = method_of(METHODS["cam and adalin"]), torch.rand(1, 3, 64, 96)
    with tiled(method, 48):
        assert method.attend(picture) is None
        assert method.attend(picture[..., :48, :48]) is not None


@pytest.mark.parametrize("head", [SelfAttention, SE])
def test_what_sees_the_whole_picture_is_refused(head, monkeypatch) -> None:
    monkeypatch.setattr("gankit.inference.reach.LIMIT", 256)
    method = method_of(partial(CycleGAN, partial(resnet, attention=head)))
    with tiled(method, 48), pytest.raises(CannotTile, match="ResnetGenerator depends on the whole picture"):
        method.translate(torch.rand(1, 3, 64, 96))


def test_a_map_of_the_whole_picture_that_a_method_needs_is_computed_whole() -> None:
    method, picture = method_of(partial(AttentionGuided, resnet, CAM)), torch.rand(1, 3, 64, 96)
    with tiled(method, 48), pytest.raises(CannotTile, match="the map of CAM is relative to the whole picture"):
        method.translate(picture)
    assert torch.equal(large(method, picture, "a2b", 48)[0], method.translate(picture))


def test_statistics_of_pieces_are_those_of_the_whole() -> None:
    x = torch.randn(2, 3, 150, 40) + 1000
    found = Statistics()
    for piece in x.split(17, dim=3):
        found.add(piece)
    variance, mean = torch.var_mean(x.double(), (2, 3), correction=0)
    torch.testing.assert_close(found.mean, mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(found.variance, variance, rtol=1e-9, atol=0)


def test_files_larger_than_a_tile(tmp_path) -> None:
    method = method_of(METHODS["agit"])
    pixels = torch.randint(0, 255, (70, 101, 3), dtype=torch.uint8).numpy()
    Image.fromarray(pixels).save(tmp_path / "x.png")
    for tile in (0, 48):
        outcome = translate_paths(method, [tmp_path / "x.png"], tmp_path / str(tile), tile=tile)
        assert not outcome.failed
    for name in ("x.png", "x_attention.png"):
        whole, pieces = (np.asarray(Image.open(tmp_path / tile / name)).astype(int) for tile in ("0", "48"))
        assert abs(whole - pieces).max() <= 1  # rounding to 8 bits may fall to the other side


def test_a_network_without_tiles_works_on_the_whole(monkeypatch) -> None:
    monkeypatch.setattr("gankit.inference.reach.LIMIT", 256)
    method, picture = method_of(partial(CycleGAN, partial(resnet, attention=SE))), torch.rand(1, 3, 64, 96)
    assert torch.equal(large(method, picture, "a2b", 48)[0], method.translate(picture))
