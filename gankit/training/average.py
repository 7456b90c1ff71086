"""The running mean of networks."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from gankit.features import settled


class Average:
    """An exponential mean of the weights of networks, `module`, which begins as a copy of them.

    decay: the share of the mean that an update keeps; the first update takes the networks as they are. Buffers are
    those of the newest networks. The numbers are those of torch's `AveragedModel`, which keeps its count of updates in
    a tensor and so makes every step wait for the device.
    """

    def __init__(self, networks: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.module = copy.deepcopy(networks)
        for name, part in settled(networks).items():
            self.module.set_submodule(name, part)  # one for both: there is nothing to average
        self.module.requires_grad_(False)

    @torch.no_grad()
    def update(self, networks: nn.Module) -> None:
        means, values = list(self.module.parameters()), list(networks.parameters())
        with_buffers = zip(self.module.buffers(), networks.buffers(), strict=True)
        if self.updates and means:
            torch._foreach_lerp_(cast(list[Tensor], means), cast(list[Tensor], values), 1 - self.decay)  # type: ignore[reportPrivateImportUsage]
        else:
            with_buffers = [*zip(means, values, strict=True), *with_buffers]
        for mean, value in with_buffers:
            mean.copy_(value)
        self.updates += 1
