"""Numbers that follow from names, so that a golden file holds results alone: inputs and weights are made again."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

FOLDER = Path(__file__).parent / "golden"


def drawn(name: str, *shape: int) -> Tensor:
    """Uniform in [-1, 1), float32, of NumPy's legacy generator, whose numbers never change."""
    numbers = np.random.RandomState(zlib.crc32(name.encode())).uniform(-1, 1, shape)
    return torch.from_numpy(numbers.astype(np.float32))


def weights(name: str, like: Tensor) -> Tensor:
    """A parameter of that name: matrices of variance 1 / fan-in, scales near 1, anything else near 0."""
    u = drawn(name, *like.shape)
    if like.ndim > 1 and max(like.shape[1:]) > 1:
        return u * (3 / like[0].numel()) ** 0.5
    if like.shape[-1:] != (1,) and name.endswith("weight") and like.ndim == 1:
        return 1 + 0.1 * u
    return 0.1 * u


@torch.no_grad()
def fill(module: nn.Module) -> nn.Module:
    """Every parameter from its name; the two vectors of a spectral estimate too."""
    for name, parameter in module.named_parameters():
        parameter.copy_(weights(name, parameter))
    for name, buffer in module.named_buffers():
        if name.rpartition(".")[2] == "u":
            buffer.copy_(nn.functional.normalize(drawn(name, *buffer.shape), dim=0))
    return module


def probes(name: str, gradient: Tensor) -> Tensor:
    """Two projections and the length of a weight's gradient: three numbers that a wrong one does not meet."""
    flat = gradient.flatten().double()
    along = [flat @ drawn(f"{name}.{i}", flat.numel()).double() for i in (1, 2)]
    return torch.stack([*along, flat.norm()]).float()


def results(module: nn.Module, name: str, *inputs: Tensor, thin: int = 1) -> dict[str, Tensor]:
    """What a case holds of a network: outputs, the gradients of a sum over them with drawn weights.

    thin: of large outputs and gradients of inputs, every so many rows and columns.
    """
    leaves = [x.clone().requires_grad_() for x in inputs]
    outputs = module(*leaves)
    outputs = [x for x in (outputs if isinstance(outputs, tuple) else (outputs,)) if x is not None]
    found = {f"{name}.output.{i}": thinned(x.detach(), thin) for i, x in enumerate(outputs)}
    sum((x * drawn(f"{name}.{i}", *x.shape)).sum() for i, x in enumerate(outputs)).backward()
    found |= {f"{name}.input.{i}": thinned(x.grad, thin) for i, x in enumerate(leaves) if x.grad is not None}
    named = {k: p.grad for k, p in module.named_parameters() if p.grad is not None}
    return found | {f"{name}.grad.{k}": probes(k, g) for k, g in named.items()}


def thinned(x: Tensor, stride: int) -> Tensor:
    return x[:, :, ::stride, ::stride].contiguous() if x.ndim == 4 and x.shape[2] > stride else x


def golden(file: str) -> dict[str, Tensor]:
    return load_file(FOLDER / f"{file}.safetensors")


def deviation(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """The largest difference, each tensor's in parts of its own largest element; of weights' gradients in parts of a
    hundredth of the largest one, where that is more: a bias in front of a norm has none but rounding."""
    assert ours.keys() == theirs.keys(), sorted(ours.keys() ^ theirs.keys())
    largest = {key: x.abs().max().item() for key, x in theirs.items()}
    least = max((0.01 * value for key, value in largest.items() if ".grad." in key), default=0.0)
    worst = 0.0
    for key, expected in theirs.items():
        assert ours[key].shape == expected.shape, key
        scale = max(largest[key], least if ".grad." in key else 1e-12)
        worst = max(worst, (ours[key].double() - expected.double()).abs().max().item() / scale)
    return worst
