"""Self-attention (SAGAN)."""

from __future__ import annotations

from typing import Annotated

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.slots import Attended, Ge


class SelfAttention(nn.Module):
    """Self-attention over all positions of a feature map.

    (N, C, H, W) -> Attended(features = x + gamma * attention(x), None, None). `gamma` starts at 0, so that a network
    learns it gradually. Work and, without a fused kernel, memory grow with (H*W)^2.

    Args:
        reduction: queries, keys and values have C // reduction channels (at least 1).

    Paper: arXiv 1805.08318; as its equations: no scaling of the scores. The authors' code differs: values of C // 2
    channels, keys and values max-pooled.
    """

    has_map = False
    has_logits = False

    def __init__(self, channels: int, *, reduction: Annotated[int, Ge(1)] = 8) -> None:
        super().__init__()
        inner = max(channels // reduction, 1)
        self.query = nn.Conv2d(channels, inner, 1, bias=False)
        self.key = nn.Conv2d(channels, inner, 1, bias=False)
        self.value = nn.Conv2d(channels, inner, 1, bias=False)
        self.out = nn.Conv2d(inner, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Attended:
        one_head = "n c h w -> n 1 (h w) c"
        query, key, value = (rearrange(f(x), one_head) for f in (self.query, self.key, self.value))
        attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        attended = rearrange(attended, "n 1 (h w) c -> n c h w", h=x.shape[2])
        return Attended(x + self.gamma * self.out(attended))
