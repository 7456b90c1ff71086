"""Networks that keep their noise when they translate, as pix2pix's and CycleGAN's code have it without `--eval`."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F


def keep_noise(network: nn.Module, training: bool) -> None:
    """Switch a generator, whose mode was just set, to dropout and to the statistics of the picture at hand in batch
    norms. No picture of a batch sees the others then, and running statistics do not move."""
    for module in network.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.train()
        if isinstance(module, nn.BatchNorm2d):
            vars(module).pop("forward", None)
            if not training:
                vars(module)["forward"] = partial(by_picture, module)


def by_picture(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """A batch norm with the statistics of each picture, as it has on a batch of one; its running ones do not move."""
    return F.instance_norm(x, weight=norm.weight, bias=norm.bias, eps=norm.eps)
