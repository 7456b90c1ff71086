"""The head that gives adaptive norms their scale and offset."""

from __future__ import annotations

from torch import Tensor, nn

from gankit.conditions import Conditions


class StyleHead(nn.Module):
    """gamma and beta, each (N, C), for all adaptive norms of a generator, from features (N, C, H, W).

    U-GAT-IT's perceptron (arXiv 1907.10830): two layers of C units, then one for gamma and one for beta, no biases. It
    sees the average of each channel, or, with `side`, the whole map (N, C, side, side).
    """

    def __init__(self, channels: int, *, side: int | None = None) -> None:
        super().__init__()
        self.side = side
        inputs = channels * side**2 if side else channels
        self.mlp = nn.Sequential(
            nn.Linear(inputs, channels, bias=False),
            nn.ReLU(),
            nn.Linear(channels, channels, bias=False),
            nn.ReLU(),
        )
        self.gamma = nn.Linear(channels, channels, bias=False)
        self.beta = nn.Linear(channels, channels, bias=False)

    def forward(self, x: Tensor) -> Conditions:
        hidden = self.mlp(x.flatten(1) if self.side else x.mean((2, 3)))
        return {"gamma": self.gamma(hidden), "beta": self.beta(hidden)}
