from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from gankit.core.errors import CheckpointError
from gankit.discriminators.patch import PatchDiscriminator
from gankit.discriminators.pixel import PixelDiscriminator
from gankit.discriminators.ugatit import UGATITDiscriminator
from gankit.interop import aggan, junyanz, ugatit
from tests.golden.assemble import assemble


def theirs(layers: int, norm: str, channels: int = 4) -> dict[str, Tensor]:
    """A state dict as pytorch-CycleGAN-and-pix2pix writes it."""
    widths = [3, *(channels * min(2**i, 8) for i in range(max(layers, 1))), channels * min(2**layers, 8), 1]
    state = {}
    for i, (before, after) in enumerate(pairwise(widths)):
        index = 0 if i == 0 else 3 * i - 1
        state[f"model.{index}.weight"] = torch.randn(after, before, 4, 4)
        inner = 0 < i < len(widths) - 2
        if not inner or norm in ("instance", "old instance"):
            state[f"model.{index}.bias"] = torch.randn(after)
        if inner and norm in ("batch", "old instance"):
            state[f"model.{index + 1}.running_mean"] = torch.randn(after)
            state[f"model.{index + 1}.running_var"] = torch.rand(after)
            state[f"model.{index + 1}.num_batches_tracked"] = torch.tensor(3)
        if inner and norm == "batch":
            state |= {f"model.{index + 1}.{name}": torch.randn(after) for name in ("weight", "bias")}
    return state


@pytest.mark.parametrize("layers", range(6))
@pytest.mark.parametrize("norm", ["instance", "batch", "none", "old instance"])
def test_patch_of_any_depth_and_norm(layers: int, norm: str) -> None:
    state = theirs(layers, norm)
    fragment, ours = junyanz.discriminator({f"module.{k}": v for k, v in state.items()})
    assert fragment == {"type": "patch", "channels": 4, "layers": layers, "norm": {"type": norm.removeprefix("old ")}}
    net = assemble("discriminator", fragment, 3)
    assert isinstance(net, PatchDiscriminator)
    net.load_state_dict(ours, strict=True)
    assert torch.equal(net.head.weight, list(v for v in state.values() if v.dim() == 4)[-1])


def test_the_blurs_of_cut() -> None:
    widths = {"0": (4, 3), "3": (8, 4), "7": (16, 8), "11": (32, 16), "14": (1, 32)}
    state = {f"model.{i}.weight": torch.randn(*width, 4, 4) for i, width in widths.items()}
    state |= {f"model.{i}.bias": torch.randn(width[0]) for i, width in widths.items()}
    state |= {f"model.{i}.filt": torch.ones(width, 1, 3, 3) for i, width in {2: 4, 6: 8, 10: 16}.items()}
    fragment, ours = junyanz.discriminator(state)
    norm = {"type": "instance"}
    assert fragment == {"type": "patch", "channels": 4, "layers": 3, "norm": norm, "down": "antialiased"}
    assemble("discriminator", fragment, 3).load_state_dict(ours, strict=True)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_pixel(norm: str) -> None:
    bias = norm == "instance"
    state = {"net.0.weight": torch.randn(4, 3, 1, 1), "net.0.bias": torch.randn(4)}
    state |= {"net.2.weight": torch.randn(8, 4, 1, 1), "net.5.weight": torch.randn(1, 8, 1, 1)}
    state |= {"net.2.bias": torch.randn(8), "net.5.bias": torch.randn(1)} if bias else {}
    if norm == "batch":
        state |= {f"net.3.{k}": v for k, v in torch.nn.BatchNorm2d(8).state_dict().items()}
    fragment, ours = junyanz.discriminator(state)
    assert fragment == {"type": "pixel", "channels": 4, "norm": {"type": norm}}
    net = assemble("discriminator", fragment, 3)
    assert isinstance(net, PixelDiscriminator)
    net.load_state_dict(ours, strict=True)


def ugatit_state(layers: int, channels: int = 2) -> dict[str, Tensor]:
    widths, state = [3, *(channels * 2**i for i in range(layers - 1))], {}
    features = widths[-1]
    shapes = {f"model.{1 + 3 * i}": (widths[i + 1], widths[i], 4, 4) for i in range(layers - 1)}
    shapes |= {"gap_fc": (1, features), "gmp_fc": (1, features), "conv": (1, features, 4, 4)}
    for name, shape in shapes.items():
        state[f"{name}.weight_orig"] = torch.randn(shape)
        state[f"{name}.weight_u"], state[f"{name}.weight_v"] = torch.randn(shape[0]), torch.randn(shape).flatten(1)[0]
        state |= {f"{name}.bias": torch.randn(shape[0])} if name.startswith("model") else {}
    return state | {"conv1x1.weight": torch.randn(features, 2 * features, 1, 1), "conv1x1.bias": torch.randn(features)}


def test_ugatit_joins_global_and_local() -> None:
    fragment, ours = ugatit.discriminator(ugatit_state(5), ugatit_state(3))
    assert fragment == {"type": "ugatit", "channels": 2, "layers": (5, 3)}
    net = assemble("discriminator", fragment, 3)
    assert isinstance(net, UGATITDiscriminator)
    net.load_state_dict(ours, strict=True)
    with pytest.raises(CheckpointError, match="widths"):
        ugatit.discriminator(ugatit_state(5), ugatit_state(3, channels=4))


def test_aggan_turns_the_filters() -> None:
    widths = [3, 4, 8, 16, 32, 1]
    state = {}
    for i in range(5):
        scope = f"Model/d_B/c{i + 1}"
        state[f"{scope}/Conv/weights:0"] = torch.randn(4, 4, widths[i], widths[i + 1])
        state[f"{scope}/Conv/biases:0"] = torch.randn(widths[i + 1])
        state |= {f"{scope}/instance_norm/{part}:0": torch.randn(widths[i + 1]) for part in ("scale", "offset")}
    fragment, ours = aggan.discriminator(state)
    net = assemble("discriminator", fragment, 3)
    assert isinstance(net, PatchDiscriminator)
    net.load_state_dict(ours, strict=True)
    ours_second = net.convs.get_submodule("1").get_parameter("weight")
    assert torch.equal(ours_second[5, 2], state["Model/d_B/c2/Conv/weights:0"][:, :, 2, 5])


@pytest.mark.parametrize("module", [junyanz, ugatit, aggan])
@pytest.mark.parametrize("state", [{}, {"features.0.weight": torch.zeros(1, 1, 3, 3)}])
def test_what_is_not_theirs_is_named(module, state: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match="these are not the weights of a discriminator of"):
        module.discriminator(state)
