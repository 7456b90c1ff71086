"""Runs made of files of each project: the file is found, read, and the run makes pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from typer.testing import CliRunner

import gankit
from gankit.cli.main import app
from gankit.codecs.image import Image8
from gankit.core.errors import CheckpointError, DataError
from gankit.core.sources import SOURCES
from gankit.generators.lbam import LBAM
from gankit.generators.pconv import PConvUNet
from gankit.interop import gan_compression
from gankit.norms.batch import BatchNorm
from tests.cli.test_import import patch, resnet
from tests.golden.assemble import assemble
from tests.interop.test_fast_neural_style import theirs as style_net
from tests.interop.test_generators import batch, unet
from tests.interop.test_generators import resnet as their_resnet
from tests.interop.test_inpainting import as_lbam, as_pconv
from tests.interop.test_munit import theirs as munit_net

State = dict[str, Tensor]


def run_of(source: str, *files: Path, out: Path, sets: tuple[str, ...] = ()) -> tuple[gankit.Model, str]:
    options = [option for s in sets for option in ("--set", s)]
    result = CliRunner().invoke(app, ["import", source, *map(str, files), "--out", str(out), *options])
    assert result.exit_code == 0, result.output
    return gankit.load(out, device="cpu"), result.output


def separable(into: int, out: int) -> State:
    state = nn.Sequential(nn.Conv2d(into, into, 3, groups=into), nn.Identity(), nn.Conv2d(into, out, 1)).state_dict()
    return {f"conv.{key}": value for key, value in state.items()}


def below(name: str, layer: nn.Module | State) -> State:
    state = layer if isinstance(layer, dict) else layer.state_dict()
    return {f"{name}.{key}": value for key, value in state.items()}


def mobile(down=(2, 3, 4), inner=(3, 5), up=(3, 2), places=(1, 6)) -> State:
    """A compressed generator of gan-compression, by the table of its layers."""
    state = below("model.1", nn.Conv2d(3, down[0], 7)) | below("model.4", nn.Conv2d(down[0], down[1], 3))
    state |= below("model.7", nn.Conv2d(down[1], down[2], 3))
    for i, width in enumerate(inner):
        for place, (a, b) in zip(places, ((down[2], width), (width, down[2])), strict=True):
            state |= below(f"model.{10 + i}.conv_block.{place}", separable(a, b))
    end = 10 + len(inner)
    state |= below(f"model.{end}", nn.ConvTranspose2d(down[2], up[0], 3))
    state |= below(f"model.{end + 3}", nn.ConvTranspose2d(up[0], up[1], 3))
    return state | below(f"model.{end + 7}", nn.Conv2d(up[1], 3, 7))


# -- gan-compression and CUT -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("places", "padding"), [((1, 6), "reflect"), ((0, 4), "zero")])
def test_widths_of_a_compressed_generator(places: tuple[int, int], padding: str) -> None:
    fragment, ours = gan_compression.generator(mobile(places=places))
    widths = {"down": (2, 3, 4), "inner": (3, 5), "up": (3, 2)}
    assert fragment == {"type": "mobile_resnet", **widths, "padding": padding}
    assemble("generator", fragment, 3, 3).load_state_dict(ours, strict=True)


def test_a_teacher_of_plain_blocks_has_no_dropout() -> None:
    state = resnet()
    moved = {key.replace("conv_block.5", "conv_block.6"): value for key, value in state.items()}
    fragment, _ = gan_compression.generator(moved)
    assert fragment["type"] == "resnet" and fragment["dropout"] is False


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model.11.conv_block.1.conv.5.weight": 1}, "they have the key"),
        ({"model.40.weight": 1}, "7 layers with weights outside"),
        ({"model.10.conv_block.3.conv.0.weight": 1}, r"block 0 has convolutions at \[1, 3, 6\]"),
    ],
)
def test_other_separable_networks_are_refused(change: dict, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        gan_compression.generator(mobile() | {key: torch.zeros(1, 1, 3, 3) for key in change})


def test_gan_compression(tmp_path: Path) -> None:
    save_file({key: value.half() for key, value in mobile().items()}, tmp_path / "latest_net_G.safetensors")
    small = ("method.discriminator.channels=2",)
    model, output = run_of("gan-compression", tmp_path / "latest_net_G.safetensors", out=tmp_path / "run", sets=small)
    assert "D not given" in output
    assert model.translate(torch.rand(3, 17, 22)).shape == (3, 17, 22)
    stored = next((tmp_path / "run").rglob("networks.safetensors"))
    assert {v.dtype for v in load_file(stored).values() if v.is_floating_point()} == {torch.float32}


def test_cut_keeps_the_sampler_out(tmp_path: Path) -> None:
    for net, state in {"G": resnet(), "D": patch(), "F": {"mlp_0.0.weight": torch.zeros(2, 2)}}.items():
        torch.save(state, tmp_path / f"latest_net_{net}.pth")
    model, output = run_of("junyanz", tmp_path, out=tmp_path / "run")
    assert "F, CUT's patch sampler, not used" in output
    assert model.recipe.method.conditional is False
    only = ["import", "junyanz", str(tmp_path / "latest_net_F.pth"), "--out", str(tmp_path / "no")]
    assert "a generator is needed" in CliRunner().invoke(app, only).output


@pytest.mark.parametrize(
    ("net", "norm", "beside", "dropout", "words"),
    [
        ("G", "batch", {"D": 6}, True, "the critic sees the source too, as pix2pix's"),
        ("G", "batch", {"D": 3}, False, "the critic sees one picture only, as CUT's"),
        ("G", "batch", {"F": 0}, False, "CUT's have none"),
        ("G_A", "batch", {}, False, "CycleGAN's have none"),
        ("G", "batch", {}, True, "pix2pix's have it, and batch norms"),
        ("G", "instance", {}, False, "no batch norms"),
    ],
)
def test_the_dropout_of_a_lone_unet(
    tmp_path: Path, net: str, norm: str, beside: dict[str, int], dropout: bool, words: str
) -> None:
    torch.save(unet(norm), tmp_path / f"latest_net_{net}.pth")
    for name, channels in beside.items():
        torch.save(patch(into=channels) if channels else {"m.0": torch.zeros(1)}, tmp_path / f"latest_net_{name}.pth")
    model, output = run_of("junyanz", tmp_path, out=tmp_path / "run")
    assert model.recipe.method.generator.dropout is dropout and words in output
    assert f"--set method.generator.dropout={'false' if dropout else 'true'}" in output
    assert model.recipe.method.noise_at_test is (dropout or norm == "batch")
    assert ("method.noise_at_test=false" in output) is (dropout or norm == "batch")
    assert (model.recipe.about.title is not None) is dropout  # pix2pix's, or nobody's that is known


@pytest.mark.parametrize("net", ["unet", "resnet"])
def test_batch_norms_of_cyclegan_take_the_statistics_of_the_picture(tmp_path: Path, net: str) -> None:
    torch.manual_seed(0)
    make = {"unet": unet, "resnet": lambda: their_resnet(norm=batch, bias=False, out=3)}[net]
    for name in ("G_A", "G_B"):
        torch.save(make(), tmp_path / f"latest_net_{name}.pth")
    model, output = run_of("junyanz", tmp_path, out=tmp_path / "run")
    assert "batch norms take the statistics of the picture at hand" in output
    assert ("taken as without (CycleGAN's" in output) is (net == "unet")
    pictures = torch.rand(2, 3, 32, 32)
    generator = model.method.network("generator", "b2a")
    expected = torch.cat([generator.train()(picture[None]) for picture in pictures])
    torch.testing.assert_close(model.translate(pictures, "b2a"), expected, rtol=1e-3, atol=1e-4)


# -- channels ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("channels", [(1, 3), (3, 1), (1, 1)])
def test_the_pictures_are_grey_where_the_networks_are(tmp_path: Path, channels: tuple[int, int]) -> None:
    torch.save(unet(channels=channels), tmp_path / "latest_net_G.pth")
    model, _ = run_of("junyanz", tmp_path, out=tmp_path / "run")
    data = model.recipe.data
    assert (data.channels_a or 3, data.channels_b or 3) == channels
    assert model.codecs["a"].words == model.codecs["b"].words == "image, 8 bits"


@pytest.mark.parametrize("channels", [(4, 3), (3, 6), (4, 4)])
def test_pictures_of_other_channels_have_another_codec(tmp_path: Path, channels: tuple[int, int]) -> None:
    torch.save(unet(channels=channels), tmp_path / "latest_net_G.pth")
    model, output = run_of("junyanz", tmp_path, out=tmp_path / "run")
    assert f"Pictures of {max(channels)} channels are read and written as TIFF" in output
    for side, count in zip("ab", channels, strict=True):
        assert model.codecs[side].words == ("image, 8 bits" if count == 3 else "tiff")
    model.codecs["a"].write(
        torch.rand(channels[0], 32, 32), source := tmp_path / f"x{'.png' if channels[0] == 3 else '.tif'}"
    )
    arguments = ["translate", str(tmp_path / "run"), str(source), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--device", "cpu"])
    assert result.exit_code == 0, result.output


def test_channels_that_a_codec_does_not_have_are_told_before_anything_runs(tmp_path: Path) -> None:
    torch.save(unet(channels=(3, 6)), tmp_path / "latest_net_G.pth")
    model, _ = run_of("junyanz", tmp_path, out=tmp_path / "run", sets=("data.codec_b=image",))
    model.codecs["a"].write(torch.rand(3, 32, 32), tmp_path / "x.png")
    arguments = ["translate", str(tmp_path / "run"), str(tmp_path / "x.png"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--device", "cpu"])
    assert (
        result.exit_code == 2
        and "pictures of `b` have 6 channels, and those of its codec image 1 or 3" in result.output
    )
    with pytest.raises(DataError, match="a picture of 6 channels is not an 8-bit picture"):
        model.translate(tmp_path / "x.png")


def test_a_picture_of_another_kind_of_file_is_named(tmp_path: Path) -> None:
    torch.save(unet(channels=(4, 4)), tmp_path / "latest_net_G.pth")
    run_of("junyanz", tmp_path, out=tmp_path / "run")
    Image8().write(torch.rand(3, 32, 32), tmp_path / "x.png")
    arguments = ["translate", str(tmp_path / "run"), str(tmp_path / "x.png"), "--out", str(tmp_path / "out")]
    output = " ".join(CliRunner().invoke(app, [*arguments, "--device", "cpu"]).output.split())
    assert "x.png: pictures of this run are read as tiff, of files ending in .tif, .tiff" in output


# -- lone generators ---------------------------------------------------------------------------------------------------
def test_fast_neural_style(tmp_path: Path) -> None:
    torch.save(style_net(widths=(2, 4, 8), blocks=1), tmp_path / "candy.pth")
    model, output = run_of("fast-neural-style", tmp_path / "candy.pth", out=tmp_path / "candy")
    assert "set method.style" in output and model.recipe.name == "candy"
    assert model.translate(torch.rand(1, 3, 21, 18)).shape == (1, 3, 21, 18)


@pytest.mark.parametrize(
    ("source", "state"),
    [
        ("lbam", lambda: as_lbam(LBAM(3, 3, channels=2, downs=3))),
        ("lbam", lambda: as_lbam(LBAM(1, 1, channels=2, downs=3))),
        ("pconv", lambda: as_pconv(PConvUNet(1, 1, channels=2, downs=3))),
        ("pconv", lambda: as_pconv(PConvUNet(3, 3, channels=2, downs=3))),
    ],
)
def test_inpainting(tmp_path: Path, source: str, state) -> None:
    torch.save(state(), tmp_path / "net.pth")
    small = ("method.discriminator.channels=2",) if source == "lbam" else ()
    model, _ = run_of(source, tmp_path / "net.pth", out=tmp_path / "run", sets=small)
    picture, mask = torch.rand(model.channels["a"], 40, 40), torch.zeros(1, 40, 40)
    mask[:, 10:20, 10:20] = 1
    filled = model.translate(picture, mask=mask)
    assert torch.equal(filled[:, :10], picture[:, :10]) and not torch.equal(filled, picture)


def test_the_head_of_lbam_with_batch_norms_is_told(tmp_path: Path) -> None:
    torch.save(as_lbam(LBAM(3, 3, channels=2, downs=3, norm=BatchNorm)), tmp_path / "net.pth")
    small = ("method.discriminator.channels=2",)
    model, output = run_of("lbam", tmp_path / "net.pth", out=tmp_path / "run", sets=small)
    assert model.recipe.method.generator.image == "tanh" and "--set method.generator.image=abs" in output


def test_dcgan(tmp_path: Path) -> None:
    def norm(i: int, width: int) -> State:
        return below(f"main.{i}", nn.BatchNorm2d(width))

    maker = below("main.0", nn.ConvTranspose2d(5, 4, 4, bias=False)) | norm(1, 4)
    maker |= below("main.3", nn.ConvTranspose2d(4, 2, 4, bias=False)) | norm(4, 2)
    maker |= below("main.6", nn.ConvTranspose2d(2, 1, 4, bias=False))
    critic = below("main.0", nn.Conv2d(1, 3, 4, bias=False)) | below("main.2", nn.Conv2d(3, 6, 4, bias=False))
    critic |= norm(3, 6) | below("main.5", nn.Conv2d(6, 1, 4, bias=False))
    torch.save(maker, tmp_path / "netG_epoch_24.pth")
    torch.save(critic, tmp_path / "netD_epoch_24.pth")
    model, output = run_of("dcgan", tmp_path, out=tmp_path / "run")
    assert "not given" not in output and model.sample(2).shape == (2, 1, 16, 16)
    assert model.recipe.method.latent == 5 and model.recipe.data.crop_size == 16


@pytest.mark.parametrize(("values", "channels", "side"), [(64, 1, 8), (3 * 64, 3, 8)])
def test_mlp_gan(tmp_path: Path, values: int, channels: int, side: int) -> None:
    save_file(
        nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, values)).state_dict(), tmp_path / "x_G.safetensors"
    )
    model, output = run_of("mlp-gan", tmp_path / "x_G.safetensors", out=tmp_path / "run")
    assert "The critic not given" in output and model.sample(3).shape == (3, channels, side, side)


def test_munit(tmp_path: Path) -> None:
    small = {"width": 2, "downs": 1, "blocks": 1, "style_downs": 2}
    torch.save({"a": munit_net(**small), "b": munit_net(**small)}, tmp_path / "gen_00000100.pt")
    torch.save({"a": munit_net(**small), "b": munit_net(**small)}, tmp_path / "gen_00000200.pt")
    model, output = run_of(
        "munit", tmp_path, out=tmp_path / "run", sets=("method.discriminator.discriminator.channels=2",)
    )
    assert "dis_XXXXXXXX.pt not given" in output and "gen_00000200.pt. It has other epochs too (00000100)" in output
    assert model.translate(torch.rand(3, 24, 20), "b2a").shape == (3, 24, 20)
    assert "padding and activation: taken as reflect and relu" in output
    theirs = torch.load(tmp_path / "gen_00000200.pt")["b"]["mlp.model.0.fc.weight"]
    assert torch.equal(model.method.network("generator", "a2b").state_dict()["mlp.0.weight"], theirs)


# -- wrong files -------------------------------------------------------------------------------------------------------
def test_wrong_files(tmp_path: Path) -> None:
    save_file(mobile(), tmp_path / "G.safetensors")
    (tmp_path / "empty").mkdir()
    cases = {
        "munit": (["G.safetensors"], "networks called a, b were expected"),
        "fast-neural-style": (["G.safetensors"], "not the weights of a TransformerNet"),
        "lbam": (["G.safetensors", "G.safetensors"], "one file, of the generator, is needed"),
        "pconv": (["empty"], "no file of weights is in it"),
        "dcgan": (["G.safetensors"], "not the weights of a Generator of pytorch/examples' dcgan"),
        "mlp-gan": (["G.safetensors"], "not the weights of a perceptron"),
        "gan-compresion": (["G.safetensors"], "did you mean 'gan-compression'?"),
    }
    for source, (files, words) in cases.items():
        names = [str(tmp_path / file) for file in files]
        result = CliRunner().invoke(app, ["import", source, *names, "--out", str(tmp_path / "run")])
        plain = " ".join(result.output.replace("│", " ").split())
        assert result.exit_code == 2 and words in plain, f"{source}: {plain}"
        assert not (tmp_path / "run").exists()


def test_every_source_can_be_read() -> None:
    import pkgutil

    assert all(callable(pkgutil.resolve_name(source.read)) for source in SOURCES.values())
