from __future__ import annotations

from functools import partial

import pytest
import torch

from gankit.discriminators.multiscale import MultiscaleDiscriminator
from gankit.discriminators.strided import StridedDiscriminator
from gankit.norms.instance import InstanceNorm


def test_munit_s_critic_has_the_parameters_and_maps_of_the_authors() -> None:
    with torch.device("meta"):
        critic = MultiscaleDiscriminator(3, scales=3, discriminator=StridedDiscriminator)
        maps = critic(torch.empty(1, 3, 256, 256))
    assert sum(p.numel() for p in critic.parameters()) == 8_271_171
    assert [tuple(m.shape) for m in maps] == [(1, 1, 16, 16), (1, 1, 8, 8), (1, 1, 4, 4)]


@pytest.mark.parametrize(("options", "least"), [({}, 8), ({"norm": InstanceNorm}, 16)])
def test_the_smallest_picture(options: dict, least: int) -> None:
    critic = StridedDiscriminator(3, channels=2, layers=3, **options)
    assert critic.min_size == least
    assert critic(torch.zeros(1, 3, least, least)).shape[-1] == least // 8
    with pytest.raises(ValueError, match="strided discriminator"):
        critic(torch.zeros(1, 3, least - 1, least))


def test_scales_of_it_know_theirs() -> None:
    critic = MultiscaleDiscriminator(3, scales=3, discriminator=partial(StridedDiscriminator, channels=2, layers=3))
    assert [m.shape[-1] for m in critic(torch.zeros(1, 3, critic.min_size, 64))] == [8, 4, 2]


def test_padding_and_spectral_norm() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 3, 16, 16)
    made = {
        p: StridedDiscriminator(3, channels=2, layers=2, padding=p, spectral_norm=True) for p in ("reflect", "zero")
    }
    made["zero"].load_state_dict(made["reflect"].state_dict())
    assert not torch.allclose(made["reflect"].eval()(x), made["zero"].eval()(x))
