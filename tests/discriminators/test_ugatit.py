"""U-GAT-IT's critics without what their paper gives them."""

from __future__ import annotations

import torch

from gankit.discriminators.ugatit import UGATITDiscriminator
from gankit.init import initialize


def test_without_spectral_norms_logits_start_larger() -> None:
    x = torch.rand(4, 3, 64, 64) * 2 - 1
    spread = {}
    for spectral in (True, False):
        torch.manual_seed(0)
        critic = UGATITDiscriminator(3, channels=8, layers=(5, 3), spectral=spectral)
        initialize(critic, "kaiming")
        assert bool(list(critic.buffers())) == spectral
        spread[spectral] = torch.cat([logits.flatten() for logits in critic(x)]).std()
    assert spread[False] > 2 * spread[True]
