"""What weights of a network are wrapped in is taken off, in one way for all importers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from gankit.cli.main import app
from gankit.weights.files import UnfitFile, read, stem
from gankit.weights.unwrap import bare, unwrap
from tests.cli.test_import import patch, resnet

STATE = {"conv.weight": torch.ones(1), "norm.bias": torch.zeros(1)}
ADAM = {"state": {0: {"step": torch.ones(1), "exp_avg": torch.ones(1)}}, "param_groups": [{"lr": 0.1}]}


def below(prefix: str, state: dict[str, Any] = STATE) -> dict[str, Any]:
    return {f"{prefix}.{key}": value for key, value in state.items()}


@pytest.mark.parametrize("prefix", ["module", "_orig_mod", "module._orig_mod", "_orig_mod.module", "netG", "generator"])
def test_what_stands_before_each_name(prefix: str) -> None:
    assert bare(below(prefix)).keys() == STATE.keys()
    (found,) = unwrap(below(prefix)).values()
    assert found.state.keys() == STATE.keys() and found.note == f"with '{prefix}.' before each name"


def test_a_compiled_part_and_the_counter_of_an_average() -> None:
    averaged = below("module", {"conv._orig_mod.weight": torch.ones(1), "norm.bias": torch.ones(1)})
    assert bare(averaged | {"n_averaged": torch.tensor(3)}).keys() == STATE.keys()


@pytest.mark.parametrize("key", ["netG", "generator", "G", "params_ema", "model_state_dict", "g_ema", "anything"])
def test_what_lies_around(key: str) -> None:
    (found,) = unwrap({key: below("module"), "epoch": 3, "optimizer": ADAM, "args": {"lr": 1.0}}).values()
    assert found.state.keys() == STATE.keys() and f"under '{key}'" in found.note
    (found,) = unwrap({"state": {key: STATE}, "optim_G": {"0": STATE}}).values()
    assert found.under == f"state.{key}"


def test_several_networks() -> None:
    assert unwrap({"g": STATE, "g_ema": STATE}).keys() == {"g", "g_ema"}
    flat = below("generator") | below("discriminator") | below("lpips")
    assert unwrap({"state_dict": flat}).keys() == {"state_dict.generator", "state_dict.discriminator"}
    assert unwrap(below("a") | below("b"), names=("a", "b")).keys() == {"a", "b"}
    assert unwrap(below("student") | below("teacher"), key="student").keys() == {"student"}
    assert unwrap({"x": {"g_ema": STATE, "g": STATE}}, key="g_ema").keys() == {"x.g_ema"}
    with pytest.raises(KeyError):
        unwrap({"g": STATE}, key="h")


@pytest.mark.parametrize("ending", [".pth", ".model", ".ckpt", ".bin", ".pkl", ".pth.tar", ".PTH"])
def test_endings(tmp_path: Path, ending: str) -> None:
    torch.save(STATE, tmp_path / f"latest_net_G{ending}")
    assert read(tmp_path / f"latest_net_G{ending}")[""].state.keys() == STATE.keys()
    assert stem(tmp_path / f"latest_net_G{ending}") == "latest_net_G"


def test_no_network_at_all(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "optimizer": ADAM}, tmp_path / "x.pth")
    with pytest.raises(UnfitFile, match="'epoch' was expected to be a tensor, not a int"):
        read(tmp_path / "x.pth")


def test_names_that_are_none(tmp_path: Path) -> None:
    torch.save({1: torch.zeros(2), "a": torch.zeros(2)}, tmp_path / "x.pth")
    with pytest.raises(UnfitFile, match="names of tensors were expected, not a int, as 1"):
        read(tmp_path / "x.pth")


# -- as the command has it -------------------------------------------------------------------------------------------
def import_(tmp_path: Path, content: dict[str, Any], *options: str, name: str = "G.ckpt") -> tuple[int, str]:
    torch.save(content, tmp_path / name)
    arguments = ["import", "junyanz", str(tmp_path / name), "--out", str(tmp_path / "run"), *options]
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output


def test_the_note_tells_what_was_taken_off(tmp_path: Path) -> None:
    code, output = import_(tmp_path, {"model": below("module", resnet()), "epoch": 7})
    assert code == 0 and "found under 'model' with 'module.' before each name of G.ckpt" in output


def test_a_choice_is_the_users(tmp_path: Path) -> None:
    both = {"params": resnet(), "params_ema": resnet()}
    code, output = import_(tmp_path, both)
    assert code == 2 and "one network was expected, not params, params_ema: choose by --key NAME" in output
    code, output = import_(tmp_path, both, "--key", "ema")
    assert code == 2 and "nothing in it is called 'ema'; there is params, params_ema" in output
    code, output = import_(tmp_path, both, "--key", "params_ema")
    assert code == 0 and "found under 'params_ema'" in output


def test_a_choice_may_be_of_one_file(tmp_path: Path) -> None:
    torch.save({"params": resnet(), "params_ema": resnet()}, tmp_path / "latest_net_G_A.pth")
    torch.save({"ema": resnet(), "raw": resnet()}, tmp_path / "latest_net_G_B.pth")
    torch.save(patch(), tmp_path / "latest_net_D_A.pth")

    def folder(*keys: str) -> tuple[int, str]:
        options = [option for key in keys for option in ("--key", key)]
        out = ["--out", str(tmp_path / "run")]
        result = CliRunner().invoke(app, ["import", "junyanz", str(tmp_path), *out, *options])
        return result.exit_code, " ".join(result.output.split())

    code, said = folder("params_ema")
    assert code == 2 and "'params_ema'" in said and not (tmp_path / "run").exists()
    code, said = folder("latest_net_G_A.pth=params_ema", "latest_net_G_B.pth=ema", "latest_net_G.pth=raw")
    assert code == 2 and "--key latest_net_G.pth=raw: no such file was read; there are latest_net_D_A.pth" in said
    code, said = folder("latest_net_G_A.pth=params_ema", "latest_net_G_B.pth=ema")
    assert code == 0 and "'params_ema' of latest_net_G_A.pth" in said and "'ema' of latest_net_G_B.pth" in said


def test_a_generator_is_known_beside_its_critic(tmp_path: Path) -> None:
    code, output = import_(tmp_path, {"netG": resnet(), "netD": patch(), "optimizerG": ADAM}, name="some.pth")
    assert code == 0 and "D not given" not in output


def test_all_networks_of_a_cyclegan_in_one_file(tmp_path: Path) -> None:
    nets = {"G_A": resnet(), "G_B": resnet(), "D_A": patch(), "D_B": patch()}
    code, output = import_(tmp_path, nets, name="all.pth")
    assert code == 0 and "not given" not in output, output
