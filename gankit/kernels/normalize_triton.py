"""The normalizations of `normalize.py` as Triton kernels: statistics, apply, backward reduce, backward apply, and two
tiny ones between them for the arithmetic on (N, C).

A tile is BC channels x BP pixels, addressed by strides: with rows in memory one channel and many pixels, with channels
last many channels and few pixels. Channels of one picture are reduced in SPLITS chunks of pixels, whose means and
squares are merged as Chan et al. (1979) do. All arithmetic is in float32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from gankit.kernels.normalize_torch import Rule, differentiable, shaped

PROGRAMS = 528
"""How many programs a reduction is split into at least, where there are pixels enough: 4 for each of 132 processors."""


# -- kernels ---------------------------------------------------------------------------------------------------------
@triton.jit
def _merge(count, mean, squares, k, mean_k, squares_k):
    """Two sets of values as one (Chan et al.): their number, mean, and sum of squares about it."""
    total = count + k
    delta = mean_k - mean
    share = k / total
    return total, mean + delta * share, squares + squares_k + delta * delta * (count * share)


@triton.jit
def _statistics(x, means, squares, C, P, x_n, x_c, x_p, splits, chunk, BC: tl.constexpr, BP: tl.constexpr):
    """Of one chunk of pixels: the mean of each channel and the sum of squares about it, to (N, C, splits)."""
    blocks = tl.cdiv(C, BC)
    n = tl.program_id(0) // blocks
    c = (tl.program_id(0) % blocks) * BC + tl.arange(0, BC)
    split = tl.program_id(1)
    start = split * chunk
    end = tl.minimum(start + chunk, P)
    row = x + n.to(tl.int64) * x_n + c.to(tl.int64)[:, None] * x_c
    count = 0.0
    mean = tl.zeros((BC,), tl.float32)
    square = tl.zeros((BC,), tl.float32)
    for first in range(start, end, BP):
        p = first + tl.arange(0, BP)
        inside = (c < C)[:, None] & (p < end)[None, :]
        v = tl.load(row + p.to(tl.int64)[None, :] * x_p, mask=inside, other=0.0).to(tl.float32)
        k = tl.minimum(end - first, BP).to(tl.float32)
        mean_k = tl.sum(v, 1) / k
        away = tl.where(inside, v - mean_k[:, None], 0.0)
        count, mean, square = _merge(count, mean, square, k, mean_k, tl.sum(away * away, 1))
    to = (n * C + c) * splits + split
    tl.store(means + to, mean, mask=c < C)
    tl.store(squares + to, square, mask=c < C)


@triton.jit
def _by_channel(pointer, n, c, stride_n, inside, default):
    """A parameter (C,) or (N, C), at stride 0 or C."""
    return tl.load(pointer + n * stride_n + c, mask=inside, other=default).to(tl.float32)


@triton.jit
def _blend(
    means, squares, weight, bias, mix, stats, N, C, P, width, splits, chunk, w_n, b_n, eps,
    GROUPED: tl.constexpr, MIXED: tl.constexpr, WEIGHT: tl.constexpr, BIAS: tl.constexpr, UNBIASED: tl.constexpr,
    BC: tl.constexpr, BS: tl.constexpr,
):  # fmt: skip
    """Merge the chunks; scale and offset of each channel. A program has one group of channels (any `width` of them,
    where there are no groups)."""
    n = tl.program_id(0)
    local = tl.arange(0, BC)
    c = tl.program_id(1) * width + local
    inside = (local < width) & (c < C)
    count = 0.0
    mean = tl.zeros((BC,), tl.float32)
    square = tl.zeros((BC,), tl.float32)
    for first in range(0, splits, BS):
        s = first + tl.arange(0, BS)
        here = inside[:, None] & (s < splits)[None, :]
        at = ((n * C + c) * splits)[:, None] + s[None, :]
        k = tl.maximum(tl.minimum(P - s * chunk, chunk), 0).to(tl.float32)
        m = tl.load(means + at, mask=here, other=0.0)
        q = tl.load(squares + at, mask=here, other=0.0)
        count_k = tl.sum(k, 0)
        mean_k = tl.sum(m * k[None, :], 1) / count_k  # type: ignore[operator]
        away = m - mean_k[:, None]
        square_k = tl.sum(q + away * away * k[None, :], 1)
        count, mean, square = _merge(count, mean, square, count_k, mean_k, square_k)
    variance = square / P
    w = _by_channel(weight, n, c, w_n, inside, 1.0) if WEIGHT else tl.full((BC,), 1.0, tl.float32)
    b = _by_channel(bias, n, c, b_n, inside, 0.0) if BIAS else tl.zeros((BC,), tl.float32)
    corrected = variance * (P / tl.maximum(P - 1, 1).to(tl.float32)) if UNBIASED else variance
    ri = 1.0 / tl.sqrt(corrected + eps)
    whole = mean
    rl = ri
    scale = ri
    offset = tl.zeros((BC,), tl.float32)
    if GROUPED:
        centre = tl.sum(tl.where(inside, mean, 0.0), 0) / width
        spread = tl.sum(tl.where(inside, variance + (mean - centre) * (mean - centre), 0.0), 0) / width
        if UNBIASED:
            total = 1.0 * P * width  # not P.to(): Triton makes a plain number of an argument that is 1
            spread = spread * (total / tl.maximum(total - 1, 1.0))
        whole = tl.zeros((BC,), tl.float32) + centre
        rl = tl.zeros((BC,), tl.float32) + 1.0 / tl.sqrt(spread + eps)
        r = _by_channel(mix, 0, c, 0, inside, 0.0) if MIXED else tl.zeros((BC,), tl.float32)
        scale = r * ri + (1.0 - r) * rl
        offset = (1.0 - r) * rl * (mean - whole)
    to = stats + n * C + c
    size = N * C
    tl.store(to, mean, mask=inside)
    tl.store(to + size, ri, mask=inside)
    tl.store(to + 2 * size, whole, mask=inside)
    tl.store(to + 3 * size, rl, mask=inside)
    tl.store(to + 4 * size, w * scale, mask=inside)
    tl.store(to + 5 * size, w * offset + b, mask=inside)


@triton.jit
def _row(stats, number, N, C, n, c):
    return tl.load(stats + number * N * C + n * C + c, mask=c < C, other=0.0)


@triton.jit
def _tile(N, C, BC: tl.constexpr, BP: tl.constexpr):
    """The picture, the channels and the pixels of this program: neighbours have the same pixels of other channels."""
    blocks = tl.cdiv(C, BC)
    row = tl.program_id(0) % (N * blocks)
    p = (tl.program_id(0) // (N * blocks)) * BP + tl.arange(0, BP)
    return row // blocks, (row % blocks) * BC + tl.arange(0, BC), p


@triton.jit
def _apply(
    x, stats, residual, y, N, C, P, x_n, x_c, x_p, slope,
    RESIDUAL: tl.constexpr, ACTIVE: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr,
):  # fmt: skip
    """y = act(scale * (x - mean) + offset + residual)."""
    n, c, p = _tile(N, C, BC, BP)
    inside = (c < C)[:, None] & (p < P)[None, :]
    at = n.to(tl.int64) * x_n + c.to(tl.int64)[:, None] * x_c + p.to(tl.int64)[None, :] * x_p
    away = tl.load(x + at, mask=inside, other=0.0).to(tl.float32) - _row(stats, 0, N, C, n, c)[:, None]
    z = away * _row(stats, 4, N, C, n, c)[:, None] + _row(stats, 5, N, C, n, c)[:, None]
    if RESIDUAL:
        z += tl.load(residual + at, mask=inside, other=0.0).to(tl.float32)
    if ACTIVE:
        z = tl.where(z > 0, z, z * slope)
    tl.store(y + at, z.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _before_activation(dy, y, away, scale, offset, at, inside, slope, ACTIVE: tl.constexpr, BY_Y: tl.constexpr):
    """The gradient before the activation, whose sign y tells, or x again."""
    dz = tl.load(dy + at, mask=inside, other=0.0).to(tl.float32)
    if ACTIVE:
        if BY_Y:
            z = tl.load(y + at, mask=inside, other=0.0).to(tl.float32)
        else:
            z = away * scale[:, None] + offset[:, None]
        dz = tl.where(z > 0, dz, dz * slope)
    return dz


@triton.jit
def _reduce(
    dy, x, y, stats, firsts, seconds, N, C, P, x_n, x_c, x_p, splits, chunk, slope,
    ACTIVE: tl.constexpr, BY_Y: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr,
):  # fmt: skip
    """S1 and S2 of one chunk of pixels, to (N, C, splits)."""
    blocks = tl.cdiv(C, BC)
    n = tl.program_id(0) // blocks
    c = (tl.program_id(0) % blocks) * BC + tl.arange(0, BC)
    split = tl.program_id(1)
    start = split * chunk
    end = tl.minimum(start + chunk, P)
    row = n.to(tl.int64) * x_n + c.to(tl.int64)[:, None] * x_c
    mean = _row(stats, 0, N, C, n, c)
    scale = _row(stats, 4, N, C, n, c)
    offset = _row(stats, 5, N, C, n, c)
    one = tl.zeros((BC,), tl.float32)
    two = tl.zeros((BC,), tl.float32)
    for first in range(start, end, BP):
        p = first + tl.arange(0, BP)
        inside = (c < C)[:, None] & (p < end)[None, :]
        at = row + p.to(tl.int64)[None, :] * x_p
        away = tl.load(x + at, mask=inside, other=0.0).to(tl.float32) - mean[:, None]
        dz = _before_activation(dy, y, away, scale, offset, at, inside, slope, ACTIVE, BY_Y)
        one += tl.sum(dz, 1)
        two += tl.sum(dz * away, 1)
    to = (n * C + c) * splits + split
    tl.store(firsts + to, one, mask=c < C)
    tl.store(seconds + to, two, mask=c < C)


@triton.jit
def _chain(
    firsts, seconds, stats, weight, mix, found, N, C, P, width, splits, w_n,
    GROUPED: tl.constexpr, MIXED: tl.constexpr, WEIGHT: tl.constexpr, UNBIASED: tl.constexpr,
    BC: tl.constexpr, BS: tl.constexpr,
):  # fmt: skip
    """dweight, dbias, dmix, p, q of each channel, to (5, N, C): `normalize.chain`."""
    n = tl.program_id(0)
    local = tl.arange(0, BC)
    c = tl.program_id(1) * width + local
    inside = (local < width) & (c < C)
    one = tl.zeros((BC,), tl.float32)
    two = tl.zeros((BC,), tl.float32)
    for first in range(0, splits, BS):
        s = first + tl.arange(0, BS)
        here = inside[:, None] & (s < splits)[None, :]
        at = ((n * C + c) * splits)[:, None] + s[None, :]
        one += tl.sum(tl.load(firsts + at, mask=here, other=0.0), 1)
        two += tl.sum(tl.load(seconds + at, mask=here, other=0.0), 1)
    mean = _row(stats, 0, N, C, n, c)
    ri = _row(stats, 1, N, C, n, c)
    whole = _row(stats, 2, N, C, n, c)
    rl = _row(stats, 3, N, C, n, c)
    scale = _row(stats, 4, N, C, n, c)
    w = _by_channel(weight, n, c, w_n, inside, 1.0) if WEIGHT else tl.full((BC,), 1.0, tl.float32)
    r = tl.full((BC,), 1.0, tl.float32)  # the part of the instance norm
    if GROUPED:
        r = _by_channel(mix, 0, c, 0, inside, 0.0) if MIXED else tl.zeros((BC,), tl.float32)
    centre = mean - whole
    dweight = two * (r * ri + (1.0 - r) * rl) + one * (1.0 - r) * rl * centre
    wide_two = two * w
    wide_one = one * w
    dmix = wide_two * (ri - rl) - wide_one * rl * centre
    dvariance = -0.5 * ri * ri * ri * r * wide_two
    if UNBIASED:
        dvariance = dvariance * (P / tl.maximum(P - 1, 1).to(tl.float32))
    dmean = -scale * one
    if GROUPED:
        pull = tl.sum(tl.where(inside, (1.0 - r) * (wide_two + wide_one * centre), 0.0), 0) / width
        spread = -0.5 * rl * rl * rl * pull
        if UNBIASED:
            total = 1.0 * P * width  # not P.to(): Triton makes a plain number of an argument that is 1
            spread = spread * (total / tl.maximum(total - 1, 1.0))
        shift = wide_one * (1.0 - r) * rl
        dvariance += spread
        dmean += shift - tl.sum(tl.where(inside, shift, 0.0), 0) / width + 2.0 * spread * centre
    to = found + n * C + c
    size = N * C
    tl.store(to, dweight, mask=inside)
    tl.store(to + size, one, mask=inside)
    tl.store(to + 2 * size, dmix, mask=inside)
    tl.store(to + 3 * size, dvariance * 2.0 / P, mask=inside)
    tl.store(to + 4 * size, dmean / P, mask=inside)


@triton.jit
def _apply_backward(
    dy, x, y, stats, found, dx, dz_out, N, C, P, x_n, x_c, x_p, slope,
    ACTIVE: tl.constexpr, BY_Y: tl.constexpr, SUMS: tl.constexpr, BC: tl.constexpr, BP: tl.constexpr,
):  # fmt: skip
    """dx = scale * dz + p * (x - mean) + q; dz too where it is the gradient of a residual."""
    n, c, pixel = _tile(N, C, BC, BP)
    inside = (c < C)[:, None] & (pixel < P)[None, :]
    at = n.to(tl.int64) * x_n + c.to(tl.int64)[:, None] * x_c + pixel.to(tl.int64)[None, :] * x_p
    away = tl.load(x + at, mask=inside, other=0.0).to(tl.float32) - _row(stats, 0, N, C, n, c)[:, None]
    scale = _row(stats, 4, N, C, n, c)
    offset = _row(stats, 5, N, C, n, c)
    dz = _before_activation(dy, y, away, scale, offset, at, inside, slope, ACTIVE, BY_Y)
    p = _row(found, 3, N, C, n, c)
    q = _row(found, 4, N, C, n, c)
    tl.store(dx + at, (scale[:, None] * dz + p[:, None] * away + q[:, None]).to(dx.dtype.element_ty), mask=inside)
    if SUMS:
        tl.store(dz_out + at, dz.to(dz_out.dtype.element_ty), mask=inside)


# -- launches --------------------------------------------------------------------------------------------------------
class Geometry(NamedTuple):
    """How a map (N, C, H, W) is cut: strides, tiles, chunks of pixels for the reductions, groups of channels."""

    size: tuple[int, int, int]  # N, C, P
    strides: tuple[int, int, int]
    tile: tuple[int, int]  # BC, BP
    splits: int
    chunk: int
    width: int

    @property
    def rows(self) -> int:
        return self.size[0] * triton.cdiv(self.size[1], self.tile[0])

    @property
    def tiles(self) -> tuple[int]:
        """In one line: CUDA allows 65535 programs across, fewer than a large map has with its channels last."""
        return (self.rows * triton.cdiv(self.size[2], self.tile[1]),)

    @property
    def chunks(self) -> tuple[int, int]:
        return self.rows, self.splits

    @property
    def channels(self) -> tuple[int, int]:
        return self.size[0], triton.cdiv(self.size[1], self.width)


def geometry(x: Tensor, groups: int) -> Geometry:
    n, c, height, width = x.shape
    p = height * width
    rows = x.is_contiguous()
    if rows:
        bp = min(triton.next_power_of_2(p), 2048)
        bc = min(triton.next_power_of_2(c), max(1, min(16, 1024 // bp)))
    else:
        bc = min(triton.next_power_of_2(c), 64)
        bp = min(triton.next_power_of_2(p), 2048 // bc)
    pieces = triton.cdiv(p, bp)
    wanted = max(1, min(pieces, triton.cdiv(PROGRAMS, max(1, n * triton.cdiv(c, bc)))))
    chunk = triton.cdiv(pieces, wanted) * bp
    strides = (c * p, p, 1) if rows else (c * p, 1, c)
    return Geometry((n, c, p), strides, (bc, bp), triton.cdiv(p, chunk), chunk, c // groups if groups else min(c, 256))


def forward(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mix: Tensor | None,
    residual: Tensor | None,
    rule: Rule,
    slope: float,
) -> tuple[Tensor, Tensor]:
    """(y, stats); stats (6, N, C) holds mean, ri, M, rl, scale, offset."""
    x = dense(x)
    residual = None if residual is None else like(residual, x)
    g = geometry(x, rule.groups)
    n, c, p = g.size
    bc, bp = g.tile
    parts = x.new_empty((2, n, c, g.splits), dtype=torch.float32)
    stats, y = x.new_empty((6, n, c), dtype=torch.float32), torch.empty_like(x)
    weight, bias, mix = (None if t is None else t.contiguous() for t in (weight, bias, mix))
    with _on(x):
        _launch(_statistics, g.chunks, x, parts[0], parts[1], c, p, *g.strides, g.splits, g.chunk, BC=bc, BP=bp)
        _launch(_blend, g.channels, 
            parts[0], parts[1], _some(weight, stats), _some(bias, stats), _some(mix, stats), stats, n, c, p, g.width,
            g.splits, g.chunk, _step(weight), _step(bias), rule.eps,
            GROUPED=rule.groups > 0, MIXED=mix is not None, WEIGHT=weight is not None, BIAS=bias is not None,
            UNBIASED=rule.unbiased, **_small(g),
        )  # fmt: skip
        _launch(_apply, g.tiles, 
            x, stats, _some(residual, x), y, n, c, p, *g.strides, slope,
            RESIDUAL=residual is not None, ACTIVE=slope != 1, BC=bc, BP=bp,
        )  # fmt: skip
    return y, stats


def backward(
    dy: Tensor,
    x: Tensor,
    y: Tensor | None,
    stats: Tensor,
    weight: Tensor | None,
    mix: Tensor | None,
    sums: bool,
    rule: Rule,
    slope: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """(dx, (dweight, dbias, dmix) as (3, N, C), dz, empty where no residual wants it)."""
    x = dense(x)
    dy, y = like(dy, x), None if y is None else like(y, x)
    g = geometry(x, rule.groups)
    n, c, p = g.size
    bc, bp = g.tile
    active = slope != 1
    parts = x.new_empty((2, n, c, g.splits), dtype=torch.float32)
    by_channel, dx = x.new_empty((5, n, c), dtype=torch.float32), torch.empty_like(x)
    dz = torch.empty_like(x) if sums and active else x.new_empty(0)
    weight, mix = (None if t is None else t.contiguous() for t in (weight, mix))
    with _on(x):
        _launch(_reduce, g.chunks, 
            dy, x, _some(y, x), stats, parts[0], parts[1], n, c, p, *g.strides, g.splits, g.chunk, slope,
            ACTIVE=active, BY_Y=y is not None, BC=bc, BP=bp,
        )  # fmt: skip
        _launch(_chain, g.channels, 
            parts[0], parts[1], stats, _some(weight, stats), _some(mix, stats), by_channel, n, c, p, g.width, g.splits,
            _step(weight), GROUPED=rule.groups > 0, MIXED=mix is not None, WEIGHT=weight is not None,
            UNBIASED=rule.unbiased, **_small(g),
        )  # fmt: skip
        _launch(_apply_backward, g.tiles, 
            dy, x, _some(y, x), stats, by_channel, dx, dz, n, c, p, *g.strides, slope,
            ACTIVE=active, BY_Y=y is not None, SUMS=sums and active, BC=bc, BP=bp,
        )  # fmt: skip
    return dx, by_channel[:3].clone(), dz


def dense(x: Tensor) -> Tensor:
    """x with its rows or its channels last in memory."""
    if x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last):
        return x
    return x.contiguous(memory_format=torch.channels_last if x.stride(1) == 1 else torch.contiguous_format)


def like(value: Tensor, x: Tensor) -> Tensor:
    """In the memory layout of x."""
    return value.contiguous(memory_format=torch.contiguous_format if x.is_contiguous() else torch.channels_last)


def _some(value: Tensor | None, other: Tensor) -> Tensor:
    """A pointer for an argument that is not read."""
    return other if value is None else value


def _step(parameter: Tensor | None) -> int:
    """From one picture's values to the next one's."""
    return 0 if parameter is None or parameter.ndim == 1 else parameter.shape[1]


def _small(g: Geometry) -> dict[str, int]:
    wide = triton.next_power_of_2(g.width)
    return {"BC": wide, "BS": max(1, min(triton.next_power_of_2(g.splits), 4096 // wide, 64))}


def _launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
    kernel[grid](*arguments, **constants)


def _on(x: Tensor) -> Any:
    """Triton launches on the current device."""
    return torch.cuda.device_of(x)  # does nothing where x is on no CUDA device


# -- as an operator of torch: seen by torch.compile, CUDA graphs and autograd -----------------------------------------
@torch.library.custom_op("gankit::normalize", mutates_args=())
def operator(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mix: Tensor | None,
    residual: Tensor | None,
    groups: int,
    eps: float,
    unbiased: bool,
    slope: float,
) -> tuple[Tensor, Tensor]:
    return forward(x, weight, bias, mix, residual, Rule(groups, eps, unbiased), slope)


@operator.register_fake
def _(x: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(dense(x)), x.new_empty((6, x.shape[0], x.shape[1]), dtype=torch.float32)


@torch.library.custom_op("gankit::normalize_backward", mutates_args=())
def operator_backward(
    dy: Tensor,
    x: Tensor,
    y: Tensor | None,
    stats: Tensor,
    weight: Tensor | None,
    mix: Tensor | None,
    sums: bool,
    groups: int,
    eps: float,
    unbiased: bool,
    slope: float,
) -> tuple[Tensor, Tensor, Tensor]:
    return backward(dy, x, y, stats, weight, mix, sums, Rule(groups, eps, unbiased), slope)


@operator_backward.register_fake
def _(
    dy: Tensor, x: Tensor, y: Any, stats: Tensor, weight: Any, mix: Any, sums: bool, *rule: Any
) -> tuple[Tensor, Tensor, Tensor]:
    slope = rule[-1]
    dx = torch.empty_like(dense(x))
    by_channel = x.new_empty((3, x.shape[0], x.shape[1]), dtype=torch.float32)
    return dx, by_channel, torch.empty_like(dx) if sums and slope != 1 else x.new_empty(0)


def _keep(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    """Save x, and y where the activation's sign depends on a residual too (the next layer keeps y anyway)."""
    x, weight, bias, mix, residual, *rule, slope = inputs
    y, stats = output
    ctx.rule, ctx.slope, ctx.sums = Rule(*rule), slope, residual is not None
    ctx.save_for_backward(x, weight, bias, mix, stats, y if slope != 1 and ctx.sums else None)
    ctx.mark_non_differentiable(stats)


def _backward(ctx: Any, dy: Tensor, _: Any) -> tuple:
    x, weight, bias, mix, stats, y = ctx.saved_tensors
    if torch.is_grad_enabled():
        *results, dz = _twice(ctx, dy, x, weight, bias, mix, stats, y)
    else:
        dx, by_channel, dz = operator_backward(dy, x, y, stats, weight, mix, ctx.sums, *ctx.rule, ctx.slope)
        results = dx, *shaped(by_channel, weight, bias, mix)
    residual = (dy if ctx.slope == 1 else dz) if ctx.sums else None
    return *results, residual, *(None for _ in Rule._fields), None


def _twice(ctx: Any, dy: Tensor, x: Tensor, weight: Any, bias: Any, mix: Any, stats: Tensor, y: Any) -> tuple:
    """The gradients in plain torch, to be differentiated again."""
    dz = dy
    if ctx.slope != 1:
        above = y if y is not None else (x.float() - stats[0][..., None, None]) * stats[4][..., None, None]
        above = above.detach() if y is not None else above.detach() + stats[5][..., None, None]
        dz = torch.where(above > 0, dy, ctx.slope * dy)
    return *differentiable(dz, x, weight, bias, mix, ctx.rule), dz


operator.register_autograd(_backward, setup_context=_keep)
