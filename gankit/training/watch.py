"""What a training tells of its networks on request: the norms of their gradients, the weights of their norms."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gankit.features import own_parameters
from gankit.methods.base import Method, Turn
from gankit.norms.bounded import Bounded


def gradient_norms(method: Method, turn: Turn) -> dict[str, Tensor]:
    """The L2 norms of the gradients of the networks that a turn trains, as they are now, by `gradients/NETWORK`; on the
    device, which is not waited for. Networks without a gradient are left out."""
    norms = {}
    for key in method.trained_by(turn):
        gradients = [p.grad for p in own_parameters(method.networks[key]) if p.grad is not None]
        if gradients:
            norms[f"gradients/{key}"] = nn.utils.get_total_norm(gradients).float()
    return norms


def rho_means(method: Method) -> dict[str, float]:
    """The mean over the channels of each `rho`, the share of instance norm in AdaLIN and LIN, by `rho/NETWORK/LAYER`;
    a layer is called as in the state dict. All are read from the device at once."""
    found = {
        f"rho/{key}/{layer}": module.rho
        for key, network in method.networks.items()
        for layer, module in network.named_modules()
        if isinstance(module, Bounded)
    }
    if not found:
        return {}
    means = torch.stack([rho.detach().mean() for rho in found.values()])
    return dict(zip(found, means.tolist(), strict=True))
