"""The norms compute what their papers say, with gradients, in every dtype."""

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from benchmarks import reference
from gankit.norms.adain import AdaIN
from gankit.norms.adalin import LIN, AdaLIN
from gankit.norms.batch import BatchNorm
from gankit.norms.bin import BIN
from gankit.norms.group import GroupNorm
from gankit.norms.instance import InstanceNorm
from gankit.norms.layer import LayerNorm
from gankit.norms.none import NoNorm
from gankit.norms.rules import conv_bias, is_adaptive

PLAIN = [InstanceNorm, lambda c: InstanceNorm(c, affine=True), BatchNorm, LayerNorm, GroupNorm, LIN, BIN, NoNorm]
ADAPTIVE = [AdaLIN, AdaIN]


def direct(x, rho, gamma, beta, unbiased):
    """Layer-instance normalization as the paper writes it."""

    def normal(dims):
        variance = x.var(dims, correction=int(unbiased), keepdim=True)
        return (x - x.mean(dims, keepdim=True)) / (variance + 1e-5).sqrt()

    rho = rho[:, None, None]
    return (rho * normal((2, 3)) + (1 - rho) * normal((1, 2, 3))) * gamma[..., None, None] + beta[..., None, None]


@pytest.mark.parametrize("unbiased", [True, False])
def test_adalin_is_the_papers_formula(unbiased):
    x = torch.randn(2, 3, 4, 5, dtype=torch.double) * 3 + 1
    norm = AdaLIN(3, unbiased=unbiased).double()
    nn.init.uniform_(norm.rho)
    gamma, beta = torch.randn(2, 2, 3, dtype=torch.double)
    torch.testing.assert_close(norm(x, gamma, beta), direct(x, norm.rho, gamma, beta, unbiased), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("unbiased", [True, False])
def test_lin_is_the_papers_formula(unbiased):
    x = torch.randn(2, 3, 4, 5, dtype=torch.double)
    norm = LIN(3, rho=0.3, unbiased=unbiased).double()
    nn.init.normal_(norm.gamma)
    nn.init.normal_(norm.beta)
    expected = direct(x, norm.rho, norm.gamma, norm.beta, unbiased)
    torch.testing.assert_close(norm(x), expected, rtol=1e-12, atol=1e-12)


def gated(x, norm, mean, variance):
    """Batch-instance normalization as the paper writes it, with these statistics (1, C, 1, 1) of the batch part."""
    rho, gamma, beta = (value.detach()[:, None, None] for value in (norm.rho, norm.gamma, norm.beta))
    of_batch = (x - mean) / (variance + 1e-5).sqrt()
    own_variance, own_mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
    of_instance = (x - own_mean) / (own_variance + 1e-5).sqrt()
    return (rho * of_batch + (1 - rho) * of_instance) * gamma + beta


def test_bin_is_the_papers_formula_in_training_and_in_evaluation():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 5, 6, dtype=torch.double) * torch.rand(4, 3, 1, 1) * 3 + torch.randn(4, 3, 1, 1)
    norm = BIN(3, momentum=0.25).double()
    assert norm.rho.tolist() == [1.0] * 3
    for parameter in norm.parameters():
        nn.init.uniform_(parameter)
    variance, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(norm(x), gated(x, norm, mean, variance), rtol=1e-12, atol=1e-12)
    unbiased = x.var((0, 2, 3), keepdim=True)
    running = 0.25 * mean, 0.75 + 0.25 * unbiased  # one step from 0 and 1
    torch.testing.assert_close(norm.eval()(x), gated(x, norm, *running), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(norm(x[:1]), gated(x[:1], norm, *running), rtol=1e-12, atol=1e-12)


def test_the_gate_of_bin_is_batch_norm_at_1_and_instance_norm_at_0():
    x = torch.randn(3, 4, 5, 6)
    torch.testing.assert_close(BIN(4)(x), nn.BatchNorm2d(4)(x))
    torch.testing.assert_close(BIN(4, rho=0.0)(x), nn.InstanceNorm2d(4)(x))


def test_bin_takes_residual_and_activation():
    x, residual = torch.randn(2, 2, 3, 4, 5)
    norm = BIN(3, rho=0.5)
    torch.testing.assert_close(norm(x, slope=0.2, residual=residual), nn.functional.leaky_relu(norm(x) + residual, 0.2))


@pytest.mark.parametrize("affine", [False, True])
def test_instance_norm_is_torchs(affine):
    x = torch.randn(2, 3, 6, 5, dtype=torch.double) + 10
    ours, theirs = InstanceNorm(3, affine=affine).double(), nn.InstanceNorm2d(3, affine=affine).double()
    if affine:
        nn.init.normal_(ours.weight)
        nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("make", PLAIN, ids=lambda make: getattr(make, "__name__", "affine"))
def test_the_layout_of_a_gradient_changes_no_gradient(make, batch: int) -> None:
    """torch's own instance norm fails this for a batch of one."""
    x = torch.randn(batch, 4, 6, 5, dtype=torch.double, requires_grad=True)
    y = make(4).double()(x)
    gradient = torch.randn_like(y)
    (rows,) = torch.autograd.grad(y, x, gradient, retain_graph=True)
    (last,) = torch.autograd.grad(y, x, gradient.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, rows)


@pytest.mark.parametrize("make", [*PLAIN, *ADAPTIVE], ids=lambda make: getattr(make, "__name__", "affine"))
def test_channels_may_be_last_in_memory(make) -> None:
    torch.manual_seed(0)
    norm = make(4)
    style = torch.randn(2, 2, 4) if is_adaptive(norm) else ()
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(1)).contiguous(memory_format=layout)
        x.requires_grad_()
        y = norm(x, *style)
        assert y.is_contiguous(memory_format=layout)
        found.append((y, *torch.autograd.grad(y.square().sum() + y.sin().sum(), x)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)


def test_affine_instance_norm_keeps_its_accuracy_far_from_zero():
    x = torch.randn(2, 3, 32, 32) + 1000
    exact = nn.InstanceNorm2d(3)(x.double())
    assert (InstanceNorm(3, affine=True)(x) - exact).abs().max() < 1e-5


def test_adain_scales_the_instance_norm_per_picture():
    x, gamma, beta = torch.randn(2, 3, 4, 4), torch.randn(2, 3), torch.randn(2, 3)
    expected = nn.InstanceNorm2d(3)(x) * gamma[:, :, None, None] + beta[:, :, None, None]
    torch.testing.assert_close(AdaIN(3)(x, gamma, beta), expected)


def test_layer_norm_is_over_the_whole_picture():
    x = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(LayerNorm(3)(x), nn.functional.layer_norm(x, (3, 4, 5)))


@pytest.mark.parametrize("make", PLAIN)
def test_gradients(make):
    norm = make(2).double()
    x = torch.randn(2, 2, 2, 3, dtype=torch.double, requires_grad=True)
    leaves = [x, *(p.detach().clone().requires_grad_() for p in norm.parameters())]
    names = [name for name, _ in norm.named_parameters()]

    def run(x, *parameters):
        return torch.func.functional_call(norm, dict(zip(names, parameters, strict=True)), x)

    assert torch.autograd.gradcheck(run, leaves)
    assert torch.autograd.gradgradcheck(run, leaves)  # gradient penalties differentiate twice


@pytest.mark.parametrize("make", ADAPTIVE)
def test_gradients_of_adaptive_norms(make):
    norm = make(2).double()
    x = torch.randn(2, 2, 2, 3, dtype=torch.double, requires_grad=True)
    style = torch.randn(2, 2, 2, dtype=torch.double, requires_grad=True)
    leaves = [x, style, *(p.detach().clone().requires_grad_() for p in norm.parameters())]
    names = [name for name, _ in norm.named_parameters()]

    def run(x, style, *parameters):
        return torch.func.functional_call(norm, dict(zip(names, parameters, strict=True)), (x, *style))

    assert torch.autograd.gradcheck(run, leaves)


@pytest.mark.parametrize("make", [m for m in PLAIN + ADAPTIVE if m not in (BatchNorm, BIN)])  # torch's own
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_has_fp32_statistics(make, dtype):
    # A mean far from 0: statistics in half precision would be off by tens of percents.
    x = (torch.randn(2, 4, 16, 16) + 20).to(dtype)
    norm = make(4)
    style = (torch.ones(2, 4), torch.zeros(2, 4)) if is_adaptive(norm) else ()
    expected = make(4)(x.float(), *style)
    ours = norm.to(dtype)(x, *(s.to(dtype) for s in style))
    assert ours.dtype == dtype
    torch.testing.assert_close(ours.float(), expected, rtol=0.02, atol=0.04)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_bin_under_autocast_has_fp32_statistics(dtype):
    x = (torch.randn(2, 4, 16, 16) + 20).to(dtype)
    ours, expected = BIN(4, rho=0.5)(x), BIN(4, rho=0.5)(x.double().float())
    assert ours.dtype == dtype
    torch.testing.assert_close(ours.float(), expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("norm", [LIN(3), LIN(3, rho=1.0)])
def test_a_single_pixel_is_no_nan(norm):
    x = torch.randn(2, 3, 1, 1, requires_grad=True)
    norm(x).sum().backward()
    assert norm(x).isfinite().all() and x.grad.isfinite().all()


def test_instance_norm_refuses_a_single_pixel():
    with pytest.raises(ValueError, match="more than one pixel; got 1x1"):
        InstanceNorm(3)(torch.randn(2, 3, 1, 1))


def test_groups():
    assert GroupNorm(8).num_groups == 8
    with pytest.raises(ValueError, match="40 channels cannot be divided into 32 groups"):
        GroupNorm(40)


def test_the_bias_rule_of_the_reference_code():
    with_bias = {type(n).__name__ for n in [m(4) for m in PLAIN + ADAPTIVE] if conv_bias(n)}
    assert with_bias == {"InstanceNorm"}
    foreign = [nn.InstanceNorm2d(4), nn.BatchNorm2d(4), nn.Identity()]
    assert [conv_bias(n) for n in foreign] == [True, False, True]


class OnGPU(TorchFunctionMode):
    """Group norms refuse weights of another dtype than the input's, as they do on CUDA devices."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.group_norm and any(w is not None and w.dtype != args[0].dtype for w in args[2:4]):
            raise RuntimeError("expected scalar type BFloat16 but found Float")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("make", [LayerNorm, GroupNorm])
def test_half_precision_outside_of_autocast(make, dtype):
    norm = make(32)
    nn.init.normal_(norm.weight)
    x = torch.randn(2, 32, 6, 6).to(dtype)
    narrow, wide = x.clone().requires_grad_(), x.float().requires_grad_()
    with OnGPU():
        y = norm(narrow)
        y.sum().backward()
    assert y.dtype == narrow.grad.dtype == dtype
    norm(wide).sum().backward()
    torch.testing.assert_close(y.float(), norm(wide), rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(narrow.grad.float(), wide.grad, rtol=2e-2, atol=2e-2)


def test_the_benchmarks_group_norm_takes_half_precision():
    x = torch.randn(2, 32, 6, 6)
    with OnGPU():
        y = reference.GroupNorm(8, 32)(x.bfloat16())
    torch.testing.assert_close(y.float(), nn.GroupNorm(8, 32)(x), rtol=2e-2, atol=2e-2)
