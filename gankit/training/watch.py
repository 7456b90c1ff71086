"""What a training tells of its networks: on request the norms of their gradients and the weights of their norms; by
itself, when attention maps die."""

from __future__ import annotations

from collections.abc import Mapping

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


class MapWatch:
    """Tells once of each direction whose attention maps are nearly 0 or nearly 1 everywhere, in two lines of the log in
    a row: outputs are then their sources, or nothing is kept."""

    LEAST, MOST = 0.01, 0.99
    ENDS: Mapping[str, str] = {
        "0": "outputs are their sources. If it stays so, let maps start higher, or the cycle loss weigh less "
        "(of attention_guided: attention.start, cycle_to_attention)",
        "1": "nothing of a picture is kept. If it stays so, the loss attention_area bounds what they cover",
    }

    def __init__(self) -> None:
        self._before: dict[str, str] = {}
        self._told: set[tuple[str, str]] = set()

    def hear(self, watched: Mapping[str, float]) -> list[str]:
        """What is to be said of the means since the last line of the log."""
        now = {}
        for name, mean in watched.items():
            if name.startswith("attention/") and not self.LEAST <= mean <= self.MOST:
                now[name.removeprefix("attention/")] = "0" if mean < self.LEAST else "1"
        found = [item for item in now.items() if self._before.get(item[0]) == item[1] and item not in self._told]
        self._told.update(found)
        self._before = now
        return [f"the attention maps of {way} are nearly {end} everywhere: {self.ENDS[end]}" for way, end in found]
