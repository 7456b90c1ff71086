"""The networks of pytorch/examples: fast neural style, and ESPCN."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torch.func import functional_call

from gankit.interop import fast_neural_style
from tests.golden.assemble import assemble
from tests.golden.families.generators import gradients, leaves, load
from tests.golden.harness import Case, Comparison, compare, compare_output, family


@family("style.generator")
def transformer_net(case: Case) -> Iterator[Comparison]:
    """Theirs takes and gives 0..255, ours [-1, 1]."""
    state, x = leaves(case), case["input.x"].clone().requires_grad_()
    fragment, ours = fast_neural_style.generator(state)
    channels = state["conv1.conv2d.weight"].shape[1], state["deconv3.conv2d.weight"].shape[0]
    net = assemble("generator", fragment, *channels).train()
    load(net, ours)

    def ran(pictures: Tensor) -> Tensor:
        return (functional_call(net, ours, pictures / 127.5 - 1) + 1) * 127.5

    found = {"y": ran(x)}
    found |= {f"y_{name}": ran(value) for name, value in case.prefix("input.x_").items()}
    for name, y in found.items():
        yield compare_output(name, y, case[f"output.{name}"])
    # rule 2: what stands before an instance norm, and what the next one removes, has no true gradient
    zero = frozenset(k for k in state if (k.endswith("conv2d.bias") and "deconv3" not in k) or k.endswith(".in2.bias"))
    yield from gradients(case, (found["y"] * case["input.cotangent"]).sum(), {**state, "x": x}, zero)


@family("examples.espcn")
def espcn(case: Case) -> Iterator[Comparison]:
    """Theirs takes and gives luma in [0, 1], ours [-1, 1]."""
    state, x = leaves(case), case["input.x"].clone().requires_grad_()
    ours = {key.replace("conv", "layers."): value for key, value in state.items()}
    ours = {f"layers.{int(key.split('.')[1]) - 1}.{key.split('.')[2]}": value for key, value in ours.items()}
    channels = state["conv1.weight"].shape[1]
    factor = round((state["conv4.weight"].shape[0] / channels) ** 0.5)
    width = state["conv1.weight"].shape[0]
    net = assemble("generator", {"type": "espcn", "factor": factor, "channels": width}, channels, channels).train()
    load(net, ours)
    y = (functional_call(net, ours, x * 2 - 1) + 1) / 2
    yield compare_output("y", y, case["output.y"])
    mse = (y - case["input.target"]).square().mean()
    yield compare("mse", mse, case["output.mse"], rtol=1e-5)
    yield from gradients(case, mse, {**state, "x": x})
