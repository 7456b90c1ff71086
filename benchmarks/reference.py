"""The forms that ours are compared with: each operation by itself, as the other projects compute it.

Written from the mathematics of the papers. What matters is kept: which tensors are made, in what order, and in place.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def instance_relu(channels: int) -> nn.Module:
    """What CycleGAN's code has after a convolution; torch's norm returns a view, which ReLU overwrites."""
    return nn.Sequential(nn.InstanceNorm2d(channels), nn.ReLU(True))


class GroupNorm(nn.GroupNorm):
    """torch's, with its weights in the dtype of x: on a GPU it refuses others."""

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, self.num_groups, self.weight.to(x), self.bias.to(x), self.eps)


def standardized(x: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    mean, variance = x.mean(dims, keepdim=True), x.var(dims, keepdim=True)
    return (x - mean) / torch.sqrt(variance + eps)


class LayerInstance(nn.Module):
    """rho * IN(x) + (1 - rho) * LN(x), with two normalized maps and two pairs of statistics (arXiv 1907.10830)."""

    def __init__(self, channels: int, rho: float, eps: float = 1e-5) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.full((1, channels, 1, 1), rho))
        self.eps = eps

    def mixed(self, x: Tensor) -> Tensor:
        rho = self.rho.expand(len(x), -1, -1, -1)
        return rho * standardized(x, (2, 3), self.eps) + (1 - rho) * standardized(x, (1, 2, 3), self.eps)


class AdaLIN(LayerInstance):
    adaptive = True

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 0.9)

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        return self.mixed(x) * gamma[:, :, None, None] + beta[:, :, None, None]


class LIN(LayerInstance):
    def __init__(self, channels: int) -> None:
        super().__init__(channels, 0.0)
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.mixed(x) * self.gamma.expand(len(x), -1, -1, -1) + self.beta.expand(len(x), -1, -1, -1)


class Residual(nn.Module):
    """CycleGAN's residual block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), *instance_relu(channels).children()]
        self.block = nn.Sequential(*layers, nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3))
        self.block.append(nn.InstanceNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class AdaLINResidual(nn.Module):
    """The same with U-GAT-IT's norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(AdaLIN(channels) for _ in range(2))

    def forward(self, x: Tensor, style: dict[str, Tensor]) -> Tensor:
        y = self.norms[0](self.convs[0](F.pad(x, (1, 1, 1, 1), mode="reflect")), **style)
        y = F.relu(y, inplace=True)
        return self.norms[1](self.convs[1](F.pad(y, (1, 1, 1, 1), mode="reflect")), **style) + x


def down(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), *instance_relu(outputs).children())


def generator(channels: int, blocks: int = 9) -> nn.Module:
    """CycleGAN's (arXiv 1703.10593)."""

    def up(width: int) -> nn.Module:
        enlarge = nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)
        return nn.Sequential(enlarge, *instance_relu(width // 2).children())

    stem = [nn.ReflectionPad2d(3), nn.Conv2d(3, channels, 7), *instance_relu(channels).children()]
    downs = [down(channels, 2 * channels), down(2 * channels, 4 * channels)]
    trunk = [Residual(4 * channels) for _ in range(blocks)]
    head = [nn.ReflectionPad2d(3), nn.Conv2d(channels, 3, 7), nn.Tanh()]
    return nn.Sequential(*stem, *downs, *trunk, up(4 * channels), up(2 * channels), *head)


def critic(channels: int) -> nn.Module:
    """The PatchGAN with three strided layers (arXiv 1611.07004)."""
    widths = [channels, 2 * channels, 4 * channels, 8 * channels]
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2, True)]
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        layers.append(nn.Conv2d(inputs, outputs, 4, stride=2 if number < 2 else 1, padding=1))
        layers += [nn.InstanceNorm2d(outputs), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(8 * channels, 1, 4, padding=1))


class CycleGANStep:
    """A training step in the order of the paper's code: generators, then critics; every call by itself."""

    def __init__(self, channels: int, device: torch.device) -> None:
        self.makers = nn.ModuleList(generator(channels) for _ in range(2)).to(device)
        self.critics = nn.ModuleList(critic(channels) for _ in range(2)).to(device)
        self.optimizers = [
            torch.optim.Adam(part.parameters(), lr=2e-4, betas=(0.5, 0.999)) for part in (self.makers, self.critics)
        ]

    def __call__(self, a: Tensor, b: Tensor) -> list[float]:
        """One update of each; the objective of the generators, and of the critics."""
        to_b, to_a = self.makers
        judge_b, judge_a = self.critics
        fake_b, fake_a = to_b(a), to_a(b)
        self.critics.requires_grad_(False)
        cycle = F.l1_loss(to_a(fake_b), a) + F.l1_loss(to_b(fake_a), b)
        identity = F.l1_loss(to_b(b), b) + F.l1_loss(to_a(a), a)
        fooling = sum((judge(fake) - 1).square().mean() for judge, fake in ((judge_b, fake_b), (judge_a, fake_a)))
        objectives = [fooling + 10 * cycle + 5 * identity]
        self._update(0, objectives[0])
        self.critics.requires_grad_(True)
        judged = [(judge_b, b, fake_b.detach()), (judge_a, a, fake_a.detach())]
        losses = [((d(real) - 1).square().mean() + d(fake).square().mean()) / 2 for d, real, fake in judged]
        objectives.append(losses[0] + losses[1])
        self._update(1, objectives[1])
        return torch.stack(objectives).tolist()

    def _update(self, player: int, loss: Tensor) -> None:
        self.optimizers[player].zero_grad()
        loss.backward()
        self.optimizers[player].step()


# -- losses -----------------------------------------------------------------------------------------------------------
def gram_style(features: Tensor, style: Tensor) -> Tensor:
    """Mean squared difference of Gram matrices (arXiv 1603.08155), each a batched product of the whole map."""

    def gram(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        rows = x.view(n, c, h * w)
        return torch.bmm(rows, rows.transpose(1, 2)) / (c * h * w)

    return F.mse_loss(gram(features), gram(style))


def total_variation(x: Tensor) -> Tensor:
    return (x[:, :, 1:] - x[:, :, :-1]).abs().mean() + (x[:, :, :, 1:] - x[:, :, :, :-1]).abs().mean()


def least_squares(logits: Tensor) -> Tensor:
    """The generator's side against a map of ones that is made for it."""
    return F.mse_loss(logits, torch.ones_like(logits))
