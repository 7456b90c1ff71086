"""Weights of pytorch/examples' style networks, of all times."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gankit.codecs.images import read_image, to_model_range
from gankit.core.errors import CheckpointError
from gankit.interop import fast_neural_style
from tests.golden.assemble import assemble

DATA = Path(os.environ.get("GANKIT_REAL_PICTURES", ""))


def theirs(widths=(4, 8, 16), blocks=5):
    """A state dict as their code would save it."""
    full, half, quarter = widths
    convs = {"conv1": (full, 3, 9), "conv2": (half, full, 3), "conv3": (quarter, half, 3)}
    convs |= {f"res{i + 1}.conv{j}": (quarter, quarter, 3) for i in range(blocks) for j in (1, 2)}
    convs |= {"deconv1": (half, quarter, 3), "deconv2": (full, half, 3), "deconv3": (3, full, 9)}
    norms = {"in1": full, "in2": half, "in3": quarter, "in4": half, "in5": full}
    norms |= {f"res{i + 1}.in{j}": quarter for i in range(blocks) for j in (1, 2)}
    state = {f"{name}.conv2d.weight": torch.randn(o, i, k, k) for name, (o, i, k) in convs.items()}
    state |= {f"{name}.conv2d.bias": torch.randn(o) for name, (o, _, _) in convs.items()}
    return state | {f"{name}.{part}": torch.randn(c) for name, c in norms.items() for part in ("weight", "bias")}


@pytest.mark.parametrize(
    ("widths", "blocks", "channels"), [((4, 8, 16), 5, 4), ((2, 4, 8), 2, 2), ((3, 5, 7), 1, [3, 5, 7])]
)
def test_any_width(widths, blocks, channels):
    fragment, ours = fast_neural_style.generator(theirs(widths, blocks))
    assert fragment["channels"] == channels and fragment["blocks"] == blocks
    assemble("generator", fragment, 3, 3).load_state_dict(ours, strict=True)


def test_stale_statistics_are_dropped():
    state = theirs()
    stale = {f"in1.{name}": torch.zeros(4) for name in ("running_mean", "running_var")}
    _, ours = fast_neural_style.generator({**state, **stale, "in1.num_batches_tracked": torch.tensor(0)})
    assert ours.keys() == fast_neural_style.generator(state)[1].keys()


def test_the_oldest_norms_have_scale_and_shift():
    names = {"weight": "scale", "bias": "shift"}

    def renamed(key):
        name, _, part = key.rpartition(".")
        return key if "conv2d" in name else f"{name}.{names[part]}"

    state = theirs()
    fragment, ours = fast_neural_style.generator({renamed(k): v for k, v in state.items()})
    assert fragment["norm"] == {"type": "instance", "affine": True, "eps": 1e-9}
    assert torch.equal(ours["blocks.0.first.norm.weight"], state["res1.in1.weight"])


def test_other_weights_are_refused():
    state = theirs()
    with pytest.raises(CheckpointError, match=r"they have the key 'model\.1\.weight'"):
        fast_neural_style.generator({**state, "model.1.weight": torch.zeros(1)})
    del state["deconv3.conv2d.bias"]
    with pytest.raises(CheckpointError, match=r"nothing stands for head.bias of ours"):
        fast_neural_style.generator(state)


@pytest.mark.skipif(not (DATA / "weights").is_dir(), reason="GANKIT_REAL_PICTURES names no folder with real weights")
def test_candy():
    state = {k: v.float() for k, v in load_file(DATA / "weights" / "fast_neural_style_candy_fp16.safetensors").items()}
    fragment, ours = fast_neural_style.generator(state)
    net = assemble("generator", fragment, 3, 3).eval()
    net.load_state_dict(ours)
    amber = to_model_range(read_image(DATA / "style" / "content_amber.jpg"))[None, :, :256, :256]
    with torch.inference_mode():
        candy = net(amber)
    assert candy.shape == amber.shape and candy.abs().max() <= 1
    assert 0.3 < candy.std() < 0.9 and (candy - amber).abs().mean() > 0.2
