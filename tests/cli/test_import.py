"""`gankit import`: weights as their users have them -> runs that translate."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner

import gankit
from gankit.cli.main import app
from gankit.core.errors import CheckpointError

State = dict[str, Tensor]


def import_(kind: str, *files: Path, out: Path, sets: tuple[str, ...] = ()):
    options = [option for s in sets for option in ("--set", s)]
    return CliRunner().invoke(app, ["import", kind, *map(str, files), "--out", str(out), *options])


def test_the_help_is_wrapped_as_a_whole() -> None:
    told = CliRunner().invoke(app, ["import", "--help"]).stdout.split("Arguments")[0]
    assert "those that hold more than weights are refused" in " ".join(told.split("\n")).replace("  ", " ")


# -- networks under the reference's names, written down from its layer tables --------------------------------
def conv(out: int, into: int, size: int, bias: bool = True) -> State:
    weight = {"weight": torch.randn(out, into, size, size) * 0.1}
    return weight | {"bias": torch.zeros(out)} if bias else weight


def named(layers: dict[str, State]) -> State:
    return {f"{name}.{key}": value for name, layer in layers.items() for key, value in layer.items()}


def resnet(width: int = 2, blocks: int = 1) -> State:
    """ResnetGenerator with instance norm: convolutions at 1, 4, 7, the blocks from 10, then 3 by 3 the rest."""
    layers = {
        "model.1": conv(width, 3, 7),
        "model.4": conv(2 * width, width, 3),
        "model.7": conv(4 * width, 2 * width, 3),
    }
    for i in range(blocks):
        for place in (1, 5):
            layers[f"model.{10 + i}.conv_block.{place}"] = conv(4 * width, 4 * width, 3)
    end = 10 + blocks
    layers[f"model.{end}"] = {"weight": torch.randn(4 * width, 2 * width, 3, 3), "bias": torch.zeros(2 * width)}
    layers[f"model.{end + 3}"] = {"weight": torch.randn(2 * width, width, 3, 3), "bias": torch.zeros(width)}
    layers[f"model.{end + 7}"] = conv(3, width, 7)
    return named(layers)


def patch(into: int = 3, width: int = 2) -> State:
    """NLayerDiscriminator of three layers with instance norm."""
    widths = [into, width, 2 * width, 4 * width, 8 * width, 1]
    return named({f"model.{p}": conv(widths[i + 1], widths[i], 4) for i, p in enumerate((0, 2, 5, 8, 11))})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "horse2zebra"
    path.mkdir()
    for net, state in {"G_A": resnet(), "G_B": resnet(), "D_A": patch(), "D_B": patch()}.items():
        torch.save(state, path / f"latest_net_{net}.pth")
        torch.save(state, path / f"5_net_{net}.pth")
    return path


def by_hand(state: State, x: Tensor) -> Tensor:
    """The reference's ResNet generator of one block, in functions."""
    f = nn.functional

    def layer(i: str, x: Tensor, pad: int, mode: str = "reflect", **options) -> Tensor:
        x = f.pad(x, (pad,) * 4, mode=mode) if pad else x
        return f.conv2d(x, state[f"{i}.weight"], state[f"{i}.bias"], **options)

    x = f.relu(f.instance_norm(layer("model.1", x, 3)))
    for i in ("model.4", "model.7"):
        x = f.relu(f.instance_norm(layer(i, x, 1, "constant", stride=2)))
    y = f.relu(f.instance_norm(layer("model.10.conv_block.1", x, 1)))
    x = x + f.instance_norm(layer("model.10.conv_block.5", y, 1))
    for i in ("model.11", "model.14"):
        x = f.conv_transpose2d(x, state[f"{i}.weight"], state[f"{i}.bias"], 2, 1, 1)
        x = f.relu(f.instance_norm(x))
    return layer("model.18", x, 3).tanh()


def test_a_folder_of_cyclegan(folder: Path, tmp_path: Path) -> None:
    result = import_("junyanz", folder, out=tmp_path / "run")
    assert result.exit_code == 0, result.output
    model = gankit.load(tmp_path / "run", device="cpu")
    assert model.method.directions == ("a2b", "b2a")
    picture = torch.rand(3, 16, 20) * 2 - 1
    for direction, net in (("a2b", "G_A"), ("b2a", "G_B")):
        expected = by_hand(torch.load(folder / f"latest_net_{net}.pth"), picture[None])[0]
        torch.testing.assert_close(model.translate(picture, direction), expected, rtol=1e-4, atol=1e-5)
    critic = model.method.network("discriminator", "b2a").state_dict()["convs.0.weight"]
    assert torch.equal(critic, torch.load(folder / "latest_net_D_B.pth")["model.0.weight"])
    assert "Imported from" in (model.recipe.about.notes or "")


def test_a_lone_generator_gives_one_direction(folder: Path, tmp_path: Path) -> None:
    result = import_("junyanz", folder / "latest_net_G_B.pth", out=tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "translates what was domain B into A" in result.output and "D_B not given" in result.output
    model = gankit.load(tmp_path / "run", device="cpu")
    assert model.method.directions == ("a2b",)
    picture = torch.rand(3, 16, 16) * 2 - 1
    expected = by_hand(torch.load(folder / "latest_net_G_B.pth"), picture[None])[0]
    torch.testing.assert_close(model.translate(picture), expected, rtol=1e-4, atol=1e-5)


def test_safetensors_and_a_file_of_any_name(folder: Path, tmp_path: Path) -> None:
    save_file(torch.load(folder / "latest_net_G_A.pth"), tmp_path / "zebra.safetensors")
    assert import_("junyanz", tmp_path / "zebra.safetensors", out=tmp_path / "run").exit_code == 0
    assert gankit.load(tmp_path / "run", device="cpu").method.directions == ("a2b",)


def test_a_conditional_critic(tmp_path: Path) -> None:
    torch.save(resnet(), tmp_path / "latest_net_G.pth")
    torch.save(patch(into=6), tmp_path / "latest_net_D.pth")
    assert import_("junyanz", tmp_path, out=tmp_path / "run").exit_code == 0
    assert gankit.load(tmp_path / "run", device="cpu").recipe.method.conditional


def test_what_weights_do_not_tell(folder: Path, tmp_path: Path) -> None:
    sets = ("method.generator.padding=replicate",)
    assert import_("junyanz", folder, out=tmp_path / "run", sets=sets).exit_code == 0
    assert gankit.load(tmp_path / "run", device="cpu").recipe.method.generator.padding == "replicate"


def test_imported_weights_are_used_not_continued(folder: Path, tmp_path: Path) -> None:
    sets = ("data={type: shapes, size: 32, train: 2, test: 1}", "train.device=cpu")
    assert import_("junyanz", folder, out=tmp_path / "run", sets=sets).exit_code == 0
    with pytest.raises(CheckpointError, match="imported weights and no state of a training: it cannot be continued"):
        gankit.train(tmp_path / "run" / "recipe.yaml", tmp_path / "run", resume=True)


# -- U-GAT-IT ------------------------------------------------------------------------------------------------
def ugatit_generator(width: int = 2) -> State:
    wide = 4 * width
    layers = {"gap_fc": linear(1, wide), "gmp_fc": linear(1, wide), "conv1x1": conv(wide, 2 * wide, 1)}
    layers |= {
        "gamma": linear(wide, wide),
        "beta": linear(wide, wide),
        "FC.0": linear(wide, wide),
        "FC.2": linear(wide, wide),
    }
    layers |= {"DownBlock.1": conv(width, 3, 7, False), "DownBlock.5": conv(2 * width, width, 3, False)}
    layers["DownBlock.9"] = conv(4 * width, 2 * width, 3, False)
    for place in (1, 5):
        layers[f"DownBlock.12.conv_block.{place}"] = conv(wide, wide, 3, False)
    for i in (1, 2):
        layers[f"UpBlock1_1.conv{i}"] = conv(wide, wide, 3, False)
        layers[f"UpBlock1_1.norm{i}"] = {"rho": torch.full((1, wide, 1, 1), 0.9)}
    for i, out in ((2, 2 * width), (7, width)):
        layers[f"UpBlock2.{i - 0}"] = conv(out, 2 * out, 3, False)
        layers[f"UpBlock2.{i + 1}"] = {
            k: torch.full((1, out, 1, 1), v) for k, v in (("rho", 0.0), ("gamma", 1.0), ("beta", 0.0))
        }
    layers["UpBlock2.11"] = conv(3, width, 7, False)
    return named(layers)


def linear(out: int, into: int) -> State:
    return {"weight": torch.randn(out, into) * 0.1}


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_ugatit(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(0)
    nets = {"genA2B": ugatit_generator(), "genB2A": ugatit_generator()}
    file = tmp_path / f"selfie2anime_params_0100000.{suffix}"
    if suffix == "pt":
        torch.save(nets, file)
    else:
        save_file({f"{net}.{key}": value for net, state in nets.items() for key, value in state.items()}, file)
    result = import_("ugatit", file, out=tmp_path / "run", sets=("method.discriminator.channels=1",))
    assert result.exit_code == 0, result.output
    assert "disGA" in result.output  # not given, so said
    model = gankit.load(tmp_path / "run", device="cpu")
    picture = torch.rand(3, 16, 16) * 2 - 1
    assert model.translate(picture, "b2a").shape == picture.shape
    attention = model.attend(picture)
    assert attention is not None and attention.shape == (1, 16, 16)
    head = model.method.network("generator", "b2a").state_dict()["head.weight"]
    assert torch.equal(head, nets["genB2A"]["UpBlock2.11.weight"])


# -- wrong files ---------------------------------------------------------------------------------------------
class Trap:
    def __reduce__(self):
        return print, ("the trap ran",)


def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model.1.weight": Trap()}, tmp_path / "latest_net_G.pth")
    (tmp_path / "plain_net_G.pth").write_bytes(pickle.dumps(Trap()))
    for name in ("latest_net_G.pth", "plain_net_G.pth"):
        result = import_("junyanz", tmp_path / name, out=tmp_path / "run")
        assert result.exit_code == 2
        assert "than weights" in result.output and "so it is not opened" in result.output
        assert "the trap ran" not in result.output + capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def wrong_files(folder: Path, tmp_path: Path) -> dict[str, tuple[str, list[Path], str]]:
    empty, garbage, listed = tmp_path / "empty", tmp_path / "net_G.pth", tmp_path / "list_net_G.pth"
    other, cut, odd = tmp_path / "weights.h5", tmp_path / "cut_net_G.pth", tmp_path / "odd_net_G.safetensors"
    empty.mkdir()
    garbage.write_bytes(b"\x89PNG\r\n" * 50)
    other.write_bytes(b"x")
    torch.save([1, 2], listed)
    cut.write_bytes((folder / "latest_net_G_A.pth").read_bytes()[:-400])
    old = tmp_path / "old_net_G.pth"
    old.write_bytes(b"\x80\x02M")  # the first opcode of the legacy format, without the number that follows
    odd.write_bytes(b"{}")
    nothing, pointer, page = tmp_path / "nothing_net_G.pth", tmp_path / "lfs_net_G.pth", tmp_path / "page_net_G.pth"
    nothing.touch()
    pointer.write_text("version https://git-lfs.github.com/spec/v1\n")
    page.write_text("<!DOCTYPE html>")
    stylegan2, stargan = tmp_path / "stylegan2_net_G.pth", tmp_path / "200000-G.ckpt"
    torch.save({"encoder.convs.0.0.weight": torch.zeros(1), "decoder.convs.0.bias": torch.zeros(1)}, stylegan2)
    torch.save({"main.0.weight": torch.zeros(1), "main.9.main.0.weight": torch.zeros(1)}, stargan)
    critic = folder / "latest_net_D_A.pth"
    return {
        "missing": ("junyanz", [tmp_path / "none.pth"], "there is no such file"),
        "empty folder": ("junyanz", [empty], "no file in it is called as in latest_net_G_A.pth"),
        "a picture": ("junyanz", [garbage], "net_G.pth"),
        "a list": ("junyanz", [listed], "not a list"),
        "a suffix": ("junyanz", [other], "not '.h5'"),
        "truncated": ("junyanz", [cut], "cut_net_G.pth: torch cannot read this file: of its"),
        "no byte": ("junyanz", [nothing], "nothing_net_G.pth: the file is empty"),
        "a pointer": ("junyanz", [pointer], "a pointer of Git LFS"),
        "a web page": ("junyanz", [page], "a web page"),
        "StyleGAN2": ("junyanz", [stylegan2], "They look like weights of StyleGAN2 (CUT has such, too): networks of"),
        "StarGAN": ("dcgan", [stargan], "They look like weights of StarGAN: networks of that kind are not supported"),
        "a sibling": ("lbam", [folder / "latest_net_G_A.pth"], "`gankit import junyanz` takes them"),
        "truncated, legacy": (
            "junyanz",
            [old],
            "old_net_G.pth: torch cannot read this file: of its 3 bytes some are missing or damaged",
        ),
        "no safetensors": ("junyanz", [odd], "not a whole safetensors file"),
        "only a critic": ("junyanz", [critic], "a generator is needed"),
        "of the other project": ("ugatit", [folder / "latest_net_G_A.pth"], "genA2B"),
        "two of one": ("junyanz", [folder / "latest_net_G_A.pth", folder / "5_net_G_A.pth"], "both the network G_A"),
    }


CASES = (
    *("missing", "empty folder", "a picture", "a list", "a suffix", "truncated", "truncated, legacy"),
    *("no safetensors", "only a critic", "of the other project", "two of one"),
    *("no byte", "a pointer", "a web page", "StyleGAN2", "StarGAN", "a sibling"),
)


@pytest.mark.parametrize("case", CASES)
def test_wrong_files(case: str, folder: Path, tmp_path: Path) -> None:
    kind, files, words = wrong_files(folder, tmp_path)[case]
    result = import_(kind, *files, out=tmp_path / "run")
    assert result.exit_code == 2, result.output
    assert words in result.output
    assert "Traceback" not in result.output and not (tmp_path / "run").exists()


def test_networks_built_in_two_ways(folder: Path, tmp_path: Path) -> None:
    torch.save(resnet(blocks=2), folder / "latest_net_G_B.pth")
    result = import_("junyanz", folder, out=tmp_path / "run")
    assert result.exit_code == 2 and "must be built alike" in result.output
