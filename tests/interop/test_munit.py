from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gankit.core.errors import CheckpointError
from gankit.interop import munit
from tests.golden.assemble import assemble


def conv(inputs: int, outputs: int, kernel: int) -> dict[str, Tensor]:
    return dict(nn.Conv2d(inputs, outputs, kernel).state_dict())


def below(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for key, value in state.items()}


def theirs(width: int = 4, downs: int = 2, blocks: int = 2, style: int = 5, style_downs: int = 3) -> dict[str, Tensor]:
    """A state dict under the authors' names."""
    wide = width * 2**downs
    state = below("enc_style.model.0.conv", conv(3, width, 7))
    widths = [width * min(2**i, 4) for i in range(style_downs + 1)]
    for i in range(style_downs):
        state |= below(f"enc_style.model.{i + 1}.conv", conv(widths[i], widths[i + 1], 4))
    state |= below(f"enc_style.model.{style_downs + 2}", conv(widths[-1], style, 1))
    state |= below("enc_content.model.0.conv", conv(3, width, 7))
    for i in range(downs):
        state |= below(f"enc_content.model.{i + 1}.conv", conv(width * 2**i, width * 2 ** (i + 1), 4))
        place, wider = f"dec.model.{2 * i + 2}", wide // 2**i
        state |= below(f"{place}.conv", conv(wider, wider // 2, 5))
        state |= {f"{place}.norm.{name}": torch.rand(wider // 2) for name in ("gamma", "beta")}
    for block in range(blocks):
        for half in range(2):
            state |= below(f"enc_content.model.{downs + 1}.model.{block}.model.{half}.conv", conv(wide, wide, 3))
            state |= below(f"dec.model.0.model.{block}.model.{half}.conv", conv(wide, wide, 3))
            stale = {"running_mean": torch.zeros(wide), "running_var": torch.ones(wide)}
            state |= below(f"dec.model.0.model.{block}.model.{half}.norm", stale)
    state |= below(f"dec.model.{2 * downs + 1}.conv", conv(width, 3, 7))
    for i, (a, b) in enumerate(((style, 6), (6, 6), (6, 4 * blocks * wide))):
        state |= below(f"mlp.model.{i}.fc", dict(nn.Linear(a, b).state_dict()))
    return state


@pytest.mark.parametrize(
    "sizes", [{}, {"downs": 1, "blocks": 1}, {"downs": 3, "style_downs": 4}, {"width": 2, "style": 2}], ids=str
)
def test_the_architecture_is_read_off_the_weights(sizes: dict[str, int]) -> None:
    fragment, ours = munit.generator(theirs(**sizes))
    assert {k: fragment[k] for k in ("channels", "downs", "blocks", "style_channels", "style_downs")} == {
        "channels": sizes.get("width", 4),
        "downs": sizes.get("downs", 2),
        "blocks": sizes.get("blocks", 2),
        "style_channels": sizes.get("style", 5),
        "style_downs": sizes.get("style_downs", 3),
    }
    net = assemble("generator", fragment, 3, 3)
    net.load_state_dict(ours, strict=True)


def test_statistics_of_old_checkpoints_are_dropped() -> None:
    state = theirs()
    old = state | {
        "enc_content.model.0.norm.running_mean": torch.zeros(4),
        "enc_content.model.3.model.0.model.1.norm.running_var": torch.ones(16),
        "enc_content.model.0.norm.num_batches_tracked": torch.tensor(3),
    }
    assert munit.generator(old)[1].keys() == munit.generator(state)[1].keys()


def test_critics() -> None:
    state: dict[str, Tensor] = {}
    for scale in range(2):
        for i, (a, b) in enumerate(((3, 4), (4, 8), (8, 16))):
            state |= below(f"cnns.{scale}.{i}.conv", conv(a, b, 4))
        state |= below(f"cnns.{scale}.3", conv(16, 1, 1))
    fragment, ours = munit.discriminator({f"module.{k}": v for k, v in state.items()})
    assert fragment["scales"] == 2
    assert fragment["discriminator"] == {"type": "strided", "channels": 4, "layers": 3, "norm": {"type": "none"}}
    assemble("discriminator", fragment, 3).load_state_dict(ours, strict=True)


def test_prelu_has_weights_and_is_refused() -> None:
    with pytest.raises(CheckpointError, match="their activation is prelu"):
        munit.generator(theirs() | {"enc_style.model.0.activation.weight": torch.ones(1)})


@pytest.mark.parametrize("importer", [munit.generator, munit.discriminator])
@pytest.mark.parametrize("state", [{}, {"model.0.weight": torch.zeros(1)}], ids=["nothing", "another net"])
def test_other_weights_are_refused_in_words(importer: partial, state: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"these are not the weights of a (generator|discriminator) of MUNIT"):
        importer(state)
