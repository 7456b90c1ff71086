"""AGIT's attention network and generator against its TensorFlow code."""

from __future__ import annotations

from collections.abc import Iterator

from torch.func import functional_call

from gankit.interop import aggan
from tests.golden.assemble import assemble
from tests.golden.families.generators import gradients, leaves, load
from tests.golden.harness import Case, Comparison, compare_output, family


@family("agit.attention", "agit.generator")
def agit(case: Case) -> Iterator[Comparison]:
    """Pictures are stored as NHWC; the gradient of x passes through the permutation too."""
    is_attention = case.family == "agit.attention"
    state, x = leaves(case), case["input.x"].clone().requires_grad_()
    fragment, ours = (aggan.attention if is_attention else aggan.generator)(state)
    ours = {key: value.contiguous() for key, value in ours.items()}  # torch without oneDNN refuses the turned weights
    host = (x.shape[3],) if is_attention else (x.shape[3], case["output.y"].shape[3])
    net = assemble("attention" if is_attention else "generator", fragment, *host)
    load(net, ours)
    result = functional_call(net, ours, x.permute(0, 3, 1, 2))
    y = (result.map if is_attention else result).permute(0, 2, 3, 1)
    yield compare_output("y", y, case["output.y"])
    # Biases of convolutions in front of an instance norm: rule 2 of the index.
    biases = frozenset(k for k in state if k.endswith("/biases") and "/c6/" not in k)
    yield from gradients(case, (y * case["input.ct_y"]).sum(), {**state, "x": x}, biases)
