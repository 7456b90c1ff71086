"""What `block/` and `net/` share: forward and backward of a module, its counted bytes, beside a reference form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.parity import check, kernels, outputs
from gankit.layers import ConvNorm

PRODUCTS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def image(result: Any) -> Tensor:
    """The first tensor of what a network returns."""
    while not isinstance(result, Tensor):
        result = result[0]
    return result


def leaves(inputs: Sequence[Any]) -> list[Tensor]:
    """The tensors of a call; a style is a dictionary of them."""
    return [t for given in inputs for t in (given.values() if isinstance(given, dict) else (given,))]


def counted_bytes(module: nn.Module, inputs: Sequence[Any], itemsize: int) -> int:
    """What forward and backward must move: each convolution reads x, w and writes y, thrice (for y, dx, dw); a norm
    behind it passes over its map eight times. Found by running the forward once."""
    total = 0

    def product(layer: nn.Module, given: tuple[Any, ...], result: Tensor) -> None:
        nonlocal total
        weights = sum(p.numel() for p in layer.parameters(recurse=False))
        total += 3 * itemsize * (given[0].numel() + weights + result.numel())

    def normed(layer: nn.Module, given: tuple[Any, ...], result: Any) -> None:
        nonlocal total
        total += 8 * itemsize * image(result).numel()

    handles = [part.register_forward_hook(product) for part in module.modules() if isinstance(part, PRODUCTS)]
    handles += [part.register_forward_hook(normed) for part in module.modules() if isinstance(part, ConvNorm)]
    with torch.no_grad():
        module(*inputs)
    for handle in handles:
        handle.remove()
    return total


def results(module: nn.Module, inputs: Sequence[Any], dtype: torch.dtype) -> list[Tensor]:
    """The image, and the gradients of the inputs and of the weights of all products."""

    def function(*_: Tensor) -> Tensor:
        with autocast(module, dtype):
            return image(module(*inputs)).float()

    return outputs(function, leaves(inputs), kernels(module))


def joined(found: list[Tensor]) -> list[Tensor]:
    """The image, and all gradients as one."""
    return [found[0], torch.cat([t.flatten().float() for t in found[1:]])]


def autocast(module: nn.Module, dtype: torch.dtype) -> torch.autocast:
    """Without its cache of cast weights, which a CUDA graph must not record."""
    device = next(module.parameters()).device.type
    return torch.autocast(device, dtype, enabled=dtype != torch.float32, cache_enabled=False)


def passes(module: nn.Module, inputs: Sequence[Any], dtype: torch.dtype) -> None:
    """Forward and backward, in fp32 or autocast."""
    for t in (*module.parameters(), *leaves(inputs)):
        t.grad = None
    with autocast(module, dtype):
        result = image(module(*inputs))
    result.backward(result.detach())


def measure(
    compare: Callable,
    ours: nn.Module,
    reference: nn.Module | None,
    inputs: Sequence[Any],
    kind: str,
    graph: bool,
) -> None:
    """Time forward and backward of ours against the reference form with the same weights."""
    dtype = DTYPES[kind]

    def agree() -> None:
        if reference is not None:
            found = results(ours, inputs, torch.float32)
            expected = results(reference, inputs, torch.float32)
            check(found, expected, torch.float32)
            if dtype != torch.float32:  # gradients of single layers are too noisy
                check(*(joined(of) for of in (results(ours, inputs, dtype), expected)), dtype)

    compare(
        partial(passes, ours, inputs, dtype),
        None if reference is None else partial(passes, reference, inputs, dtype),
        check=agree,
        nbytes=counted_bytes(ours, inputs, dtype.itemsize),
        dtype=dtype,
        graph=graph,
        parameters=sum(p.numel() for p in ours.parameters()),
    )
