"""A checkpoint of AGIT's TensorFlow code, written from a method of ours, comes back as the same method."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import gankit
from gankit.attention.mask import MaskAttention
from gankit.cli.main import app
from gankit.discriminators.patch import PatchDiscriminator
from gankit.generators.resnet import ResnetGenerator
from gankit.interop import aggan
from gankit.methods.attention_guided import AttentionGuided
from gankit.norms.instance import InstanceNorm

AFFINE = partial(InstanceNorm, affine=True)
CODE = {"norm": AFFINE, "geometry": "tensorflow", "relu_after_sum": True}
BLOCK = aggan._units({"r1/c1": "blocks.0.first", "r1/c2": "blocks.0.second"})
CRITIC = {f"c{i + 1}": (f"convs.{i}", f"norms.{i}") for i in range(4)} | {"c5": ("head", "")}
TABLES = {
    "g_A": ("generator_a2b", aggan.GENERATOR | BLOCK),
    "g_B": ("generator_b2a", aggan.GENERATOR | BLOCK),
    "g_A_ae": ("attention_net_a2b", aggan.ATTENTION),
    "g_B_ae": ("attention_net_b2a", aggan.ATTENTION),
    "d_B": ("discriminator_a2b", CRITIC),
    "d_A": ("discriminator_b2a", CRITIC),
}


def agit() -> AttentionGuided:
    torch.manual_seed(0)
    return AttentionGuided(
        partial(ResnetGenerator, channels=4, blocks=1, padding="zero", ends="zero", **CODE),
        partial(MaskAttention, channels=4, decoder_padding="zero", **CODE),
        partial(PatchDiscriminator, channels=4, padding=2, norm_first=True, norm=AFFINE),
        masked_fake="composed",
        alternate=True,
    ).eval()


def variables(method: nn.Module, nets: tuple[str, ...] = tuple(TABLES)) -> dict[str, np.ndarray]:
    """Under TensorFlow's names, filters in its layout, with what its optimizer keeps beside them."""
    found: dict[str, Tensor] = {"beta1_power": torch.ones(())}
    for net in nets:
        key, layers = TABLES[net]
        state = method.networks[key].state_dict()
        for layer, (conv, norm) in layers.items():
            name = "Conv2d_transpose" if conv.startswith("up.") else "Conv"
            for part, ours in (("weights", "weight"), ("biases", "bias")):
                if (value := state.get(f"{conv}.{ours}")) is not None:
                    value = value.permute(2, 3, 1, 0) if value.ndim == 4 else value
                    found[f"Model/{net}/{layer}/{name}/{part}"] = value
                    found[f"Model/{net}/{layer}/{name}/{part}/Adam_1"] = torch.zeros_like(value)
            for part, ours in (("scale", "weight"), ("offset", "bias")) if norm else ():
                found[f"Model/{net}/{layer}/instance_norm/{part}"] = state[f"{norm}.{ours}"]
    return {name: value.contiguous().numpy() for name, value in found.items()}


def imported(file: Path, out: Path):
    return CliRunner().invoke(app, ["import", "aggan", str(file), "--out", str(out)])


def test_a_checkpoint_translates_as_its_networks_do(tmp_path: Path) -> None:
    method = agit()
    np.savez(tmp_path / "agit.npz", **variables(method))
    done = imported(tmp_path / "agit.npz", tmp_path / "run")
    assert done.exit_code == 0, done.output
    model = gankit.load(tmp_path / "run", device="cpu")
    for key, network in method.networks.items():
        for name, value in network.state_dict().items():
            assert torch.equal(model.method.networks[key].state_dict()[name], value), (key, name)
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    for way in ("a2b", "b2a"):
        assert torch.equal(model.translate(x, way), method.translate(x, way))
        assert torch.equal(model.attend(x, way), method.attend(x, way))


def test_critics_may_be_missing(tmp_path: Path) -> None:
    np.savez(tmp_path / "agit.npz", **variables(agit(), ("g_A", "g_B", "g_A_ae", "g_B_ae")))
    done = imported(tmp_path / "agit.npz", tmp_path / "run")
    assert done.exit_code == 0 and "d_A and d_B not given" in done.output


@pytest.mark.parametrize("nets, missing", [(("g_A", "g_B"), "g_A_ae, g_B_ae"), (("g_A_ae", "g_B_ae", "g_B"), "g_A")])
def test_a_missing_network_is_named(nets: tuple[str, ...], missing: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "agit.npz", **variables(agit(), nets))
    done = imported(tmp_path / "agit.npz", tmp_path / "run")
    assert done.exit_code == 2 and f"variables of {missing} are missing" in done.output
    assert not (tmp_path / "run").exists()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "agit.npz", **variables(agit()))
    (tmp_path / "agit.npz").write_bytes((tmp_path / "agit.npz").read_bytes()[:500])
    done = imported(tmp_path / "agit.npz", tmp_path / "run")
    assert done.exit_code == 2 and "not a whole file of NumPy arrays" in done.output
