"""Normalization with activation and residual sum fused in: torch's form, or Triton's where that pays."""

from __future__ import annotations

from torch import Tensor

from gankit.kernels.choose import launches_pay, uses_triton
from gankit.kernels.normalize_torch import Rule, finish, normalized


def normalize(
    x: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    mix: Tensor | None = None,
    *,
    groups: int = 0,
    eps: float = 1e-5,
    unbiased: bool = False,
    slope: float = 1.0,
    residual: Tensor | None = None,
) -> Tensor:
    """act(norm(x) * weight + bias + residual), for the norms that `Rule` describes.

    x: (N, C, H, W), any floating dtype, rows or channels last in memory; the result is like it. weight, bias: (C,),
    (N, C), or (1, C) for all pictures; None: 1 and 0. mix: (C,), in [0, 1]; needs `groups`. residual: like x. slope: of
    the activation below 0; 1 is none, 0 is ReLU. groups, eps, unbiased: see `Rule`. The norm's arithmetic is in float32
    (float64 for float64), whatever autocast says. Differentiable twice. Papers: arXiv 1607.08022 (instance), 1607.06450
    (layer), 1803.08494 (group), 1907.10830 (layer-instance).

    Raises ValueError where the channels cannot be divided into the groups, for a mix without groups, and for shapes
    that do not fit x.
    """
    if x.ndim != 4:
        raise ValueError(f"a norm takes maps (N, C, H, W); got {tuple(x.shape)}")
    if groups and x.shape[1] % groups:
        raise ValueError(f"{x.shape[1]} channels cannot be divided into {groups} groups")
    if mix is not None and not groups:
        raise ValueError("a mix needs groups, which say what the instance norm is mixed with")
    weight, bias = _fitting("weight", weight, x), _fitting("bias", bias, x)
    if mix is not None and mix.shape != x.shape[1:2]:
        raise ValueError(f"mix must be of shape ({x.shape[1]},) for maps {tuple(x.shape)}; got {tuple(mix.shape)}")
    rule = Rule(groups, eps, unbiased)
    if uses_triton(x):
        residual = None if residual is None else residual.expand_as(x)
        from gankit.kernels import normalize_triton  # registers the operator

        return normalize_triton.operator(x, weight, bias, mix, residual, *rule, slope)[0]
    return finish(normalized(x, weight, bias, mix, rule), slope, residual)


def _fitting(name: str, value: Tensor | None, x: Tensor) -> Tensor | None:
    """weight or bias, with a row for each picture if it has rows."""
    if value is None:
        return None
    n, c = x.shape[:2]  # whole shapes, compared, would compare n with c too: a condition of programs exported for any n
    if value.ndim in (1, 2) and value.shape[-1] == c:
        if value.ndim == 1 or value.shape[0] == n:
            return value
        if value.shape[0] == 1:
            return value.expand(n, c)
    raise ValueError(
        f"{name} must be of shape ({c},) or ({n}, {c}) for maps {tuple(x.shape)}; got {tuple(value.shape)}"
    )


def preferred(x: Tensor) -> bool:
    """Whether `normalize` is to be taken rather than torch's own norms: where its Triton form pays, and where the
    channels are last in memory. There torch's instance norm converts forth and back, and the backward pass of its group
    norm is many times slower on CPUs."""
    last = x.stride(1) == 1 and not x.is_contiguous()
    return last or (uses_triton(x) and launches_pay(x))
