import pytest
import torch
from torch import nn

from gankit.init import initialize
from gankit.norms.adalin import LIN


def net():
    return nn.Sequential(
        nn.Conv2d(64, 64, 3), nn.BatchNorm2d(64), nn.ConvTranspose2d(64, 64, 3), LIN(64), nn.Linear(64, 64)
    )


@pytest.mark.parametrize(
    ("kind", "gain", "std"),
    [
        ("normal", 0.02, 0.02),
        ("normal", 0.1, 0.1),
        ("xavier", 0.02, 0.02 * (2 / (64 * 9 + 64 * 9)) ** 0.5),
        ("kaiming", 0.02, (2 / (64 * 9)) ** 0.5),
        ("orthogonal", 0.5, 0.5 / (64 * 9) ** 0.5),
    ],
)
def test_standard_deviations(kind, gain, std):
    torch.manual_seed(0)
    conv, batch, up, lin, linear = initialize(net(), kind, gain)
    assert conv.weight.std().item() == pytest.approx(std, rel=0.02)
    assert up.weight.std().item() == pytest.approx(std, rel=0.02)
    assert not conv.bias.any() and not linear.bias.any() and not batch.bias.any()
    assert batch.weight.mean().item() == pytest.approx(1, abs=4 * gain / 8)
    assert batch.weight.std().item() == pytest.approx(gain, rel=0.4)
    assert (lin.gamma == 1).all() and (lin.rho == 0).all()


def test_default_changes_nothing():
    made = net()
    before = {k: v.clone() for k, v in made.state_dict().items()}
    initialize(made, "default")
    assert all(torch.equal(v, before[k]) for k, v in made.state_dict().items())


def test_an_unknown_kind_is_named():
    with pytest.raises(
        ValueError, match="no initialization 'he'; there are normal, xavier, kaiming, orthogonal, default"
    ):
        initialize(net(), "he")
