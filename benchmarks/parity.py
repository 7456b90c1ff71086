"""Whether two forms of one function agree, before anybody times them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}
"""Largest relative error of a tensor, in the Euclidean norm. Gradients of rho are sums that nearly cancel."""
COSINE = 0.85
"""The least of half precision, whose gradients are rounded again in every layer."""


def outputs(function: Callable[..., Tensor], inputs: Sequence[Tensor], weights: Iterable[Tensor] = ()) -> list[Tensor]:
    """The result, and the gradients of inputs and weights for a cotangent that is always the same."""
    result = function(*inputs)
    cotangent = torch.linspace(-1, 1, result.numel(), device=result.device).cos().view_as(result).to(result.dtype)
    wanted = [t for t in (*inputs, *weights) if t.requires_grad]
    return [result.detach(), *torch.autograd.grad(result, wanted, cotangent)]


def check(ours: Sequence[Tensor], expected: Sequence[Tensor], dtype: torch.dtype) -> None:
    """Raises AssertionError where a tensor is not what was expected, as near as `dtype` allows."""
    assert len(ours) == len(expected)
    for number, (found, wanted) in enumerate(zip(ours, expected, strict=True)):
        found, wanted = found.double().flatten(), wanted.double().flatten()
        if dtype in TOLERANCE:
            error = ((found - wanted).norm() / wanted.norm().clamp_min(1e-12)).item()
            assert error <= TOLERANCE[dtype], f"tensor {number} is off by {error:.2g}"
        else:
            cosine = nn.functional.cosine_similarity(found, wanted, dim=0).item()
            assert cosine >= COSINE, f"tensor {number} has a cosine of {cosine:.3f}"


def kernels(module: nn.Module) -> list[nn.Parameter]:
    """The weights of products; not what is per channel, (C,) or (1, C, 1, 1)."""
    return [p for p in module.parameters() if not per_channel(p)]


def per_channel(p: Tensor) -> bool:
    return p.ndim == 1 or (p.ndim == 4 and p.numel() == p.shape[1])


def same_weights(ours: nn.Module, reference: nn.Module) -> None:
    """Give both the same kernels. What is per channel: biases 0, for only one of the two may have them in front of a
    norm that takes them off again; the rest 1/2."""
    for module in (ours, reference):
        for name, p in module.named_parameters():
            if per_channel(p):
                nn.init.constant_(p, 0.0 if name.endswith("bias") else 0.5)
    with torch.no_grad():
        for mine, theirs in zip(kernels(ours), kernels(reference), strict=True):
            theirs.copy_(mine)
