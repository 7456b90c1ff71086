"""The family of norms, in both forms, against the definitions in float64."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from gankit.kernels import choose
from gankit.kernels import normalize as normalize_module
from gankit.kernels.normalize import normalize, preferred
from gankit.kernels.normalize_torch import Rule, coefficients, composite
from tests.kernels.conftest import DEVICE, force

SHAPES = [(1, 1, 5, 7), (2, 6, 9, 5), (3, 4, 1, 3), (1, 8, 33, 34), (7, 2, 3, 3), (2, 4, 1, 1)]
KINDS = [(0, False), (1, False), (2, False), (1, True), (2, True)]
"""(groups, mixed)"""
ENDS = [(1.0, False, False), (0.0, False, True), (0.2, True, True)]
"""(slope, residual, unbiased)"""


def direct(
    x: Tensor, weight: Any, bias: Any, mix: Any, groups: int, unbiased: bool, slope: float, residual: Any
) -> Tensor:
    """What the papers write, in float64, with one pass over the values for each mean and each variance."""
    x, weight, bias, mix, residual = (None if t is None else t.double() for t in (x, weight, bias, mix, residual))

    def normal(values: Tensor, dims: tuple[int, ...]) -> Tensor:
        count = 1
        for dim in dims:
            count *= values.shape[dim]
        variance = values.var(dims, correction=0, keepdim=True) * (count / max(count - 1, 1) if unbiased else 1)
        return (values - values.mean(dims, keepdim=True)) / (variance + 1e-5).sqrt()

    y = normal(x, (2, 3))
    if groups:
        together = normal(x.unflatten(1, (groups, -1)), (2, 3, 4)).flatten(1, 2)
        y = together if mix is None else mix[:, None, None] * y + (1 - mix[:, None, None]) * together
    y = y if weight is None else y * weight[..., None, None]
    y = y if bias is None else y + bias[..., None, None]
    y = y if residual is None else y + residual
    return torch.where(y > 0, y, slope * y)


def draw(
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
    groups: int = 0,
    mixed: bool = False,
    affine: str | None = None,
    residual: bool = False,
    last: bool = False,
    shift: float = 0.0,
) -> tuple[list[Any], Any]:
    """([x, weight, bias, mix, residual], gradient of y)."""
    layout = torch.channels_last if last else torch.contiguous_format

    def maps(offset: float = 0.0) -> Tensor:
        return (torch.randn(shape) + offset).to(DEVICE, dtype, memory_format=layout).requires_grad_()

    size = {None: None, "channel": shape[1:2], "picture": shape[:2]}[affine]
    weight, bias = (None if size is None else torch.randn(size, device=DEVICE).requires_grad_() for _ in range(2))
    mix = torch.rand(shape[1], device=DEVICE).requires_grad_() if mixed else None
    return [maps(shift), weight, bias, mix, maps() if residual else None], maps().detach()


def pair(given: list[Any], dy: Tensor, **options: Any) -> tuple[list[Tensor], list[Tensor]]:
    """(y and all gradients, ours and exact)."""
    *inputs, residual = given
    rule = {"groups": 0, "unbiased": False, "slope": 1.0} | options
    learning = [t for t in given if t is not None]
    ours = normalize(*inputs, residual=residual, **rule)
    exact = direct(*inputs, residual=residual, **rule)
    assert ours.dtype == given[0].dtype
    found = torch.autograd.grad(ours, learning, dy)
    true = torch.autograd.grad(exact, learning, dy.double())
    assert [g.dtype for g in found] == [t.dtype for t in learning]
    return [ours, *found], [exact, *true]


def error(ours: Tensor, exact: Tensor) -> float:
    scale = exact.double().norm() + 1e-2 * exact.numel() ** 0.5
    return ((ours.double() - exact.double()).norm() / scale).item()


CASES = [
    case
    for case in itertools.product(SHAPES, KINDS, [False, True])
    if case[0][1] % max(case[1][0], 1) == 0 and (case[0][0] < 7 or not case[2])
]


@pytest.mark.parametrize(("shape", "kind", "last"), CASES, ids=str)
def test_forward_and_every_gradient_are_the_definitions(form: str, shape: Any, kind: Any, last: bool) -> None:
    torch.manual_seed(0)
    (groups, mixed), affine, ends = kind, (None, "channel", "picture")[sum(shape) % 3], ENDS
    if form == "triton" and DEVICE == "cpu":  # the interpreter is slow: each end once for every shape, kind and layout
        ends = [ENDS[(SHAPES.index(shape) + 2 * KINDS.index(kind) + last) % len(ENDS)]]
    for slope, residual, unbiased in ends:
        given, dy = draw(shape, groups=groups, mixed=mixed, affine=affine, residual=residual, last=last)
        ours, exact = pair(given, dy, groups=groups, unbiased=unbiased, slope=slope)
        bound = 2e-5 if shape[2] * shape[3] > 1 else 2e-3  # of one pixel rounding is left, times 1 / sqrt(eps)
        assert max(itertools.starmap(error, zip(ours, exact, strict=True))) < bound


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 8e-3), (torch.float16, 1e-3)], ids=["bf16", "fp16"])
def test_half_precision_is_exact_up_to_its_rounding(form: str, dtype: torch.dtype, bound: float, last: bool) -> None:
    torch.manual_seed(1)
    given, dy = draw((2, 6, 9, 11), dtype, 1, True, "picture", last=last)
    ours, exact = pair(given, dy, groups=1)
    assert max(itertools.starmap(error, zip(ours, exact, strict=True))) < bound
    assert ours[0].is_contiguous(memory_format=torch.channels_last) == last


@pytest.mark.parametrize("groups", [0, 1])
def test_means_far_from_zero_cost_no_more_than_their_own_rounding(form: str, groups: int) -> None:
    torch.manual_seed(2)
    given, dy = draw((2, 4, 24, 24), groups=groups, affine="channel", shift=1000.0)
    ours, exact = pair(given, dy, groups=groups)
    assert max(itertools.starmap(error, zip(ours, exact, strict=True))) < 3e-4  # the values themselves: 3e-5


def test_flat_maps_give_the_bias_and_finite_gradients(form: str) -> None:
    x = torch.full((2, 3, 4, 4), 7.0, device=DEVICE, requires_grad=True)
    bias = torch.tensor([1.0, -2.0, 0.5], device=DEVICE)
    y = normalize(x, None, bias)
    torch.testing.assert_close(y, bias[:, None, None].expand_as(y))
    y.square().sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


def test_float64_keeps_its_digits(form: str) -> None:
    torch.manual_seed(3)
    given, dy = draw((2, 6, 5, 7), torch.float64, 2, True, residual=True)
    ours, exact = pair(given, dy, groups=2, slope=0.2)
    assert max(itertools.starmap(error, zip(ours, exact, strict=True))) < 1e-12


@pytest.mark.parametrize("slope", [1.0, 0.2])
@pytest.mark.parametrize("sums", [False, True])
def test_it_can_be_differentiated_twice(form: str, slope: float, sums: bool) -> None:
    """The gradient of a gradient's length, as a gradient penalty takes it."""
    torch.manual_seed(4)
    given, _ = draw((2, 4, 3, 5), groups=1, mixed=True, affine="picture", residual=sums)
    learning = [t for t in given if t is not None]
    found = []
    for function in (normalize, direct):
        options = {"groups": 1, "unbiased": True, "slope": slope, "residual": given[4]}
        y = function(*given[:4], **options)  # type: ignore[operator]
        (gradient,) = torch.autograd.grad(y.square().sum(), given[0], create_graph=True)
        found.append(
            torch.autograd.grad((gradient.flatten(1).norm(dim=1) - 1).square().sum(), learning, allow_unused=True)
        )
    for ours, exact in zip(*found, strict=True):
        if exact is not None:
            assert error(ours, exact) < 1e-4


def test_flat_maps_can_be_differentiated_twice(form: str) -> None:
    """Features are flat where a picture is, behind a ReLU above all."""
    torch.manual_seed(11)
    (x, weight, bias, mix, _), _ = draw((2, 4, 3, 5), groups=1, mixed=True, affine="channel")
    x.data[0, 1], x.data[1] = 3.0, 0.5
    found = []
    for function in (normalize, direct):
        y = function(x, weight, bias, mix, groups=1, unbiased=True, slope=1.0, residual=None)  # type: ignore[operator]
        (gradient,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
        found.append(torch.autograd.grad(gradient.square().sum(), (x, weight, mix)))
    for ours, exact in zip(*found, strict=True):
        assert error(ours, exact) < 1e-4


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # vmap loops over what it has no rule for
@pytest.mark.parametrize("last", [False, True])
def test_torchs_form_can_be_transformed(last: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients for each picture, and Jacobians, by torch.func."""
    force(monkeypatch, "torch")
    torch.manual_seed(12)
    (x, weight, _, mix, _), _ = draw((3, 4, 2, 3), torch.float64, 1, True, "channel", last=last)
    x, weight, mix = (t.detach() for t in (x, weight, mix))

    def length(weight: Tensor, picture: Tensor, function: Any = normalize) -> Tensor:
        y = function(picture[None], weight, None, mix, groups=1, unbiased=False, slope=0.2, residual=None)
        return y.sin().sum()

    exact = torch.stack([torch.func.grad(length)(weight, picture, direct) for picture in x])
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(length), (None, 0))(weight, x), exact.to(weight))
    whole = torch.func.jacrev(lambda weight: torch.func.vmap(length, (None, 0))(weight, x))(weight)
    torch.testing.assert_close(whole, exact.to(weight))


def test_the_gradient_may_come_in_any_layout(form: str) -> None:
    torch.manual_seed(5)
    given, dy = draw((1, 6, 5, 7), affine="channel")
    y = normalize(*given[:3])
    (rows,) = torch.autograd.grad(y, given[0], dy, retain_graph=True)
    (last,) = torch.autograd.grad(y, given[0], dy.contiguous(memory_format=torch.channels_last), retain_graph=True)
    (same,) = torch.autograd.grad(y.sum(), given[0])
    torch.testing.assert_close(last, rows)
    assert same.abs().max() < 1e-4  # a sum's gradient is one value, expanded


@pytest.mark.parametrize("last", [False, True])
def test_maps_cut_out_of_others_are_read_rightly(form: str, last: bool) -> None:
    torch.manual_seed(6)
    layout = torch.channels_last if last else torch.contiguous_format
    x = torch.randn(2, 8, 9, 9, device=DEVICE).to(memory_format=layout)[:, 1:7, 2:7, 3:8]
    y = normalize(x, groups=2)
    torch.testing.assert_close(y, direct(x, None, None, None, 2, False, 1.0, None).float())
    assert y.is_contiguous(memory_format=layout)


def test_one_full_tensor_is_kept_for_the_backward_pass(form: str) -> None:
    given, _ = draw((2, 4, 16, 16), groups=1, mixed=True, affine="picture")
    sizes: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        normalize(*given[:4], groups=1)
    assert sum(size >= given[0].numel() for size in sizes) == 1


def test_autocast_does_not_reach_inside(form: str) -> None:
    torch.manual_seed(7)
    x, gamma = torch.randn(2, 3, 8, 8, device=DEVICE), torch.randn(2, 3, device=DEVICE)
    plain = normalize(x, gamma)
    with torch.autocast(DEVICE, torch.bfloat16):
        torch.testing.assert_close(normalize(x, gamma), plain)


def test_the_operator_is_what_torch_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schema, fake form, autograd registration, and AOT dispatch, as torch.compile uses them."""
    force(monkeypatch, "triton")
    from gankit.kernels import normalize_triton

    given, dy = draw((2, 4, 3, 5), groups=1, mixed=True, affine="picture", residual=True)
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(normalize_triton.operator, (*given, 1, 1e-5, True, 0.2), test_utils=checks)
    x, weight, _, mix, _ = (None if t is None else t.detach() for t in given)
    y, stats = normalize_triton.operator(x, weight, None, mix, None, 1, 1e-5, True, 0.2)
    for sums in (False, True):
        arguments = (dy, x, y, stats, weight, mix, sums, 1, 1e-5, True, 0.2)
        torch.library.opcheck(normalize_triton.operator_backward, arguments, test_utils=checks)


def test_coefficients_are_the_norm() -> None:
    torch.manual_seed(8)
    x = torch.randn(2, 6, 5, 7, dtype=torch.float64) * 3 + 2
    weight, bias, mix = torch.randn(2, 6).double(), torch.randn(6).double(), torch.rand(6).double()
    variance, mean = torch.var_mean(x, (2, 3), correction=0)
    scale, offset = coefficients(mean, variance, 35, weight, bias, mix, groups=3, unbiased=True)
    whole = composite(x, weight, bias, mix, Rule(3, 1e-5, True))
    torch.testing.assert_close(scale[..., None, None] * x + offset[..., None, None], whole)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"groups": 4}, "6 channels cannot be divided into 4"),
        ({"mix": torch.rand(6)}, "a mix needs groups"),
        ({"mix": torch.rand(5), "groups": 1}, r"mix must be of shape \(6,\)"),
        ({"weight": torch.rand(5)}, r"weight must be of shape \(6,\) or \(2, 6\)"),
        ({"bias": torch.rand(3, 6)}, r"bias must be .* got \(3, 6\)"),
        ({"x": torch.rand(6, 2, 2)}, "takes maps"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        normalize(**{"x": torch.rand(2, 6, 2, 2)} | arguments)


def test_one_style_and_one_residual_serve_all_pictures(form: str) -> None:
    torch.manual_seed(10)
    x = torch.randn(3, 4, 5, 6, device=DEVICE)
    one = [torch.randn(shape, device=DEVICE).requires_grad_() for shape in ((1, 4), (1, 4), (1, 4, 5, 6))]
    every = [t.expand(3, *t.shape[1:]).detach().requires_grad_() for t in one]
    results = [normalize(x, weight, bias, residual=residual) for weight, bias, residual in (one, every)]
    torch.testing.assert_close(*results)
    dy = torch.randn_like(x)
    found, wanted = (torch.autograd.grad(y, given, dy) for y, given in zip(results, (one, every), strict=True))
    for ours, exact in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, exact.sum(0, keepdim=True))


def test_a_batch_of_nothing_gives_nothing(form: str) -> None:
    x, gamma = torch.zeros(0, 4, 5, 6, device=DEVICE, requires_grad=True), torch.ones(4, device=DEVICE).requires_grad_()
    y = normalize(x, gamma)
    y.sum().backward()
    assert y.shape == x.shape and gamma.grad is not None and not gamma.grad.any()


def test_large_maps_have_no_more_programs_across_than_cuda_allows() -> None:
    pytest.importorskip("triton")
    from gankit.kernels.normalize_triton import geometry

    for shape in ((1, 64, 4096, 4096), (256, 1024, 64, 64)):
        for layout in (torch.contiguous_format, torch.channels_last):
            cut = geometry(torch.empty(shape, device="meta", memory_format=layout), 0)
            assert all(size < 2**16 for grid in (cut.tiles, cut.chunks, cut.channels) for size in grid[1:])


# -- the choice of a form ----------------------------------------------------------------------------------------------
def test_the_device_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "FORCED", None)
    assert not choose.uses_triton(torch.zeros(1))
    assert not choose.uses_triton(torch.zeros(1, device="meta"))


def test_small_maps_are_torchs_unless_launches_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "FORCED", None)
    monkeypatch.setattr(normalize_module, "uses_triton", lambda x: True)
    small, large = torch.empty(1, 4, 8, 8), torch.empty(1, 256, 128, 128)
    assert not preferred(small) and preferred(large)
    assert preferred(small.contiguous(memory_format=torch.channels_last))
    with choose.recorded():
        assert preferred(small)
    assert not preferred(small)
    monkeypatch.setattr(normalize_module, "uses_triton", lambda x: False)
    assert not preferred(large)


@pytest.mark.parametrize(
    ("forced", "installed", "words"),
    [("cuda", True, "torch or triton, not 'cuda'"), ("triton", False, "Triton is not installed")],
)
def test_a_wish_that_cannot_be_met_is_refused(
    monkeypatch: pytest.MonkeyPatch, forced: str, installed: bool, words: str
) -> None:
    monkeypatch.setattr(choose, "FORCED", forced)
    monkeypatch.setattr(choose, "HAS_TRITON", installed)
    with pytest.raises(ValueError, match=words):
        choose.uses_triton(torch.zeros(1))


def test_compiled_it_computes_the_same() -> None:
    """What a compiler needs to know; the default one is run by tests/training/test_compiled.py."""
    torch.manual_seed(9)
    given, dy = draw((2, 4, 8, 8), groups=1, mixed=True, affine="picture", residual=True)

    def function(*inputs: Tensor) -> Tensor:
        return normalize(*inputs[:4], groups=1, slope=0.0, residual=inputs[4])

    results = []
    for run in (function, torch.compile(function, fullgraph=True, backend="aot_eager")):
        y = run(*given)
        results.append([y, *torch.autograd.grad(y, given, dy)])
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)
