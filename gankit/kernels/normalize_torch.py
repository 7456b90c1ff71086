"""One family of normalizations: instance, group, layer, and layer-instance, with activation and residual sum fused in.

All of them are y = scale * (x - mean) + offset with a scale and an offset for each channel of each picture. The
statistics of groups follow exactly from those of their channels, so that x is read twice, whatever the norm:

    mean, variance        of each channel                          (statistics)
    M, V                  of each group: mean(mean), mean(variance + (mean - M)^2)
    ri, rl                1 / sqrt(variance + eps), 1 / sqrt(V + eps)
    scale                 weight * (mix * ri + (1 - mix) * rl)
    offset                bias + weight * (1 - mix) * rl * (mean - M)
    y                     act(scale * (x - mean) + offset + residual)       (apply)

The backward pass needs two sums for each channel, S1 = sum(dz) and S2 = sum(dz * (x - mean)), where dz is the gradient
before the activation; the rest is arithmetic on (N, C), and dx = scale * dz + p * (x - mean) + q.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Rule(NamedTuple):
    """What kind of normalization.

    groups: 0 normalizes each channel by itself (instance), 1 all channels of a picture together (layer), G in groups.
    With `mix` (C,) given, the result is mix * instance + (1 - mix) * group. eps: added to the variances. unbiased:
    variances divide by n - 1; a single value then has variance 0.
    """

    groups: int
    eps: float
    unbiased: bool


def normalized(x: Tensor, weight: Tensor | None, bias: Tensor | None, mix: Tensor | None, rule: Rule) -> Tensor:
    """norm(x) * weight + bias, with what its backward pass needs kept where one may follow."""
    tensors = (x, weight, bias, mix)
    if torch.compiler.is_compiling() or not (torch.is_grad_enabled() and any(_learns(t) for t in tensors)):
        return composite(*tensors, rule)  # the compiler fuses it, forward and backward
    return _Normalize.apply(*tensors, *rule)[0]


def finish(y: Tensor, slope: float = 1.0, residual: Tensor | None = None) -> Tensor:
    """act(y + residual) in plain torch; slope: of the activation below 0. Not in place: a norm may return a view, whose
    gradient would then be copied four times."""
    if residual is not None:
        y = y + residual
    if slope == 1:
        return y
    if slope == 0 and not torch.compiler.is_compiling():
        return F.relu(y)
    return F.leaky_relu(y, slope)  # compiled for CPUs, a ReLU stores a mask, value by value: over ten times slower


def _learns(value: Tensor | None) -> bool:
    return value is not None and value.requires_grad


# -- forward ---------------------------------------------------------------------------------------------------------
def composite(x: Tensor, weight: Tensor | None, bias: Tensor | None, mix: Tensor | None, rule: Rule) -> Tensor:
    """The family in plain torch operations, to be differentiated, exported and compiled by torch."""
    return _forward(x, weight, bias, mix, rule)[0]


def _forward(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mix: Tensor | None, rule: Rule
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """(y, (mean, ri, M, rl, scale, offset))."""
    centred, stats = _statistics(_wide(x), weight, bias, mix, rule)
    y = torch.addcmul(_map(stats[5]), centred, _map(stats[4]))
    return y.to(x.dtype), stats


def _statistics(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mix: Tensor | None, rule: Rule
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """(x about its mean, (mean, ri, M, rl, scale, offset))."""
    n = x.shape[2] * x.shape[3]
    if torch.compiler.is_compiling():
        variance, mean = torch.var_mean(x, (2, 3), correction=0)
        centred = x - _map(mean)
    else:  # on CPUs several times faster than var_mean
        mean = x.mean((2, 3))
        centred = x - _map(mean)
        variance = torch.linalg.vector_norm(centred, dim=(2, 3)).square() / n
    ri, whole, rl = inverse_deviations(mean, variance, n, rule)
    return centred, (mean, ri, whole, rl, *blend(mean, ri, whole, rl, weight, bias, mix, rule.groups))


def inverse_deviations(mean: Tensor, variance: Tensor, n: int, rule: Rule) -> tuple[Tensor, Tensor, Tensor]:
    """(ri, M, rl), each (N, C): of the channels, and of their groups, from the mean and the biased variance (N, C) of
    each channel's n values."""
    if not rule.groups:
        ri = torch.rsqrt(_corrected(variance, n, rule.unbiased) + rule.eps)
        return ri, mean, ri
    whole, spread = _grouped(mean, rule.groups), _grouped(variance, rule.groups)
    spread = spread + _grouped((mean - whole).square(), rule.groups)
    total = n * (mean.shape[1] // rule.groups)
    rl = torch.rsqrt(_corrected(spread, total, rule.unbiased) + rule.eps)
    return torch.rsqrt(_corrected(variance, n, rule.unbiased) + rule.eps), whole, rl


def blend(
    mean: Tensor,
    ri: Tensor,
    whole: Tensor,
    rl: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mix: Tensor | None,
    groups: int,
) -> tuple[Tensor, Tensor]:
    """(scale, offset), each (N, C), of the centred x."""
    part = 1 if mix is None else 1 - mix.to(mean)
    scale = ri if not groups else rl if mix is None else mix.to(mean) * ri + part * rl
    offset = part * rl * (mean - whole) if groups else torch.zeros_like(mean)
    if weight is not None:
        scale, offset = weight.to(mean) * scale, weight.to(mean) * offset
    return scale, offset if bias is None else offset + bias.to(mean)


def coefficients(
    mean: Tensor,
    variance: Tensor,
    n: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    mix: Tensor | None = None,
    *,
    groups: int = 0,
    eps: float = 1e-5,
    unbiased: bool = False,
) -> tuple[Tensor, Tensor]:
    """(scale, offset), each (N, C), that the norm is on x itself: y = scale * x + offset, from the mean and the biased
    variance (N, C) of each channel's n values."""
    rule = Rule(groups, eps, unbiased)
    scale, offset = blend(mean, *inverse_deviations(mean, variance, n, rule), weight, bias, mix, groups)
    return scale, offset - scale * mean


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _map(values: Tensor) -> Tensor:
    return values[:, :, None, None]


def _grouped(values: Tensor, groups: int) -> Tensor:
    """The mean of each group of channels, in the shape (N, C) of the values."""
    by_group = values.reshape(values.shape[0], groups, values.shape[1] // groups)
    return by_group.mean(2, keepdim=True).expand_as(by_group).reshape(values.shape)


def _corrected(variance: Tensor, n: int, unbiased: bool) -> Tensor:
    return variance.mul(bessel(n)) if unbiased else variance


def bessel(n: int | torch.SymInt) -> float | torch.SymFloat:
    """n / (n - 1), which makes the biased variance of n values unbiased; 1 for a single value."""
    # An exported graph has a symbol here, which `max` would fix to one side; compilers before torch 2.11 take no
    # `sym_max` of plain numbers.
    return n / (max(n - 1, 1) if isinstance(n, int) else torch.sym_max(n - 1, 1))


# -- backward --------------------------------------------------------------------------------------------------------
class _Normalize(torch.autograd.Function):
    """Saves x, and the numbers of the channels."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Any, weight: Any, bias: Any, mix: Any, *rule: Any) -> tuple[Tensor, Tensor]:
        y, parts = _forward(x, weight, bias, mix, Rule(*rule))
        return y, torch.stack(parts)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        x, weight, bias, mix, *rule = inputs
        ctx.rule = Rule(*rule)
        ctx.save_for_backward(x, weight, bias, mix, output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple:
        x, weight, bias, mix, stats = ctx.saved_tensors
        tensors = (x, weight, bias, mix)
        if torch.is_grad_enabled():
            results = differentiable(gradients[0], *tensors, ctx.rule)
        else:
            dx, by_channel = _backward(gradients[0], x, stats, weight, mix, ctx.rule)
            results = dx, *shaped(by_channel, weight, bias, mix)
        return *results, *(None for _ in Rule._fields)


def differentiable(
    dy: Tensor, x: Tensor, weight: Tensor | None, bias: Tensor | None, mix: Tensor | None, rule: Rule
) -> tuple[Tensor | None, ...]:
    """The gradients of x, weight, bias, mix as functions that can be differentiated again, for penalties."""
    _, parts = _statistics(_wide(x), weight, bias, mix, rule)
    dx, by_channel = _backward(dy, x, torch.stack(parts), weight, mix, rule)
    return dx, *shaped(by_channel, weight, bias, mix)


def _backward(
    dy: Tensor, x: Tensor, stats: Tensor, weight: Tensor | None, mix: Tensor | None, rule: Rule
) -> tuple[Tensor, Tensor]:
    """(dx, (dweight, dbias, dmix) as (3, N, C))."""
    dy, centred = _wide(dy), _wide(x) - _map(stats[0])
    first, second = dy.sum((2, 3)), (dy * centred).sum((2, 3))
    by_channel, p, q = _chain(first, second, stats, weight, mix, x.shape[2] * x.shape[3], rule)
    dx = torch.addcmul(_map(q), centred, _map(p)).addcmul_(dy, _map(stats[4]))
    return dx.to(x.dtype), by_channel


def _chain(
    first: Tensor, second: Tensor, stats: Tensor, weight: Tensor | None, mix: Tensor | None, n: int, rule: Rule
) -> tuple[Tensor, Tensor, Tensor]:
    """From S1 and S2 (N, C): ((dweight, dbias, dmix) as (3, N, C), p, q)."""
    mean, ri, whole, rl, scale, _ = stats
    groups = rule.groups
    part = 1 if mix is None else 1 - mix.to(mean)
    away = part * (mean - whole)
    both = ri if not groups else rl if mix is None else mix.to(mean) * ri + part * rl
    dweight = second * both + first * rl * away
    second, direct = (second, first) if weight is None else (second * weight.to(mean), first * weight.to(mean))
    dmix = second * (ri - rl) - direct * rl * (mean - whole)
    dvariance = torch.zeros_like(mean)
    dmean = -scale * first
    if groups:
        width = mean.shape[1] // groups
        pull = part * second + direct * away
        spread = -0.5 * rl**3 * _corrected(_grouped(pull, groups), n * width, rule.unbiased)
        shift = direct * part * rl
        dvariance = dvariance + spread
        dmean = dmean + shift - _grouped(shift, groups) + 2 * spread * (mean - whole)
    if not groups or mix is not None:
        own = second if mix is None else second * mix.to(mean)
        dvariance = dvariance - 0.5 * ri**3 * _corrected(own, n, rule.unbiased)
    return torch.stack([dweight, first, dmix]), dvariance * (2 / n), dmean / n


def shaped(by_channel: Tensor, *parameters: Tensor | None) -> tuple[Tensor | None, ...]:
    """Gradients (N, C), one for each parameter, in its shape, (C,) or (N, C), and its dtype."""
    return tuple(
        None if p is None else (gradient.sum(0) if p.ndim == 1 else gradient).to(p.dtype)
        for p, gradient in zip(parameters, by_channel, strict=True)
    )
