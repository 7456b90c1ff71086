"""PatchNCE: which patch of the source does this patch of the output come from? (CUT, arXiv 2007.15651, section 3.2)"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gankit.precision import full, without_autocast
from gankit.slots import Gt

Patches = Tensor | tuple[Tensor, ...]
"""Unit vectors of patches, (N, P, C), or a tuple of such, one for each layer."""


class PatchNCE(nn.Module):
    """Noise-contrastive estimation over patches (CUT, arXiv 2007.15651, equation 3; InfoNCE, arXiv 1807.03748).

    forward(query, key) -> scalar. query, key: unit vectors (N, P, C) of the same P places in N pictures, or tuples of
    such, one for each layer. Each query has to tell its own key from the keys of the other places: cross-entropy of
    the dot products over `temperature`; the mean over the patches, then over the layers. No gradient flows to the keys.

    The method `cut` offers `query` and `key` of source and output, `identity_query` and `identity_key` of target and
    identity: `{type: patchnce, on: {query: identity_query, key: identity_key}}` compares the latter.

    temperature: the smaller, the more the hardest negatives count. negatives: the other places of the same `image`, or
    those of the whole `batch` too (the code's single-image training).
    """

    def __init__(
        self, temperature: Annotated[float, Gt(0)] = 0.07, negatives: Literal["image", "batch"] = "image"
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.negatives = negatives

    def forward(self, query: Patches, key: Patches) -> Tensor:
        queries, keys = ((x,) if isinstance(x, Tensor) else x for x in (query, key))
        if len(queries) != len(keys):
            raise ValueError(f"query and key are of the same layers, not of {len(queries)} and {len(keys)}")
        return torch.stack([self.of_each(q, k).mean() for q, k in zip(queries, keys, strict=True)]).mean()

    def of_each(self, query: Tensor, key: Tensor) -> Tensor:
        """The loss of every patch of one layer: (N, P, C) twice -> (N, P)."""
        if query.ndim != 3 or query.shape != key.shape:
            shapes = f"{tuple(query.shape)} and {tuple(key.shape)}"
            raise ValueError(f"query and key are patches (N, P, C) of the same places, not {shapes}")
        pictures, places, channels = query.shape
        if self.negatives == "batch":
            query, key = query.reshape(1, -1, channels), key.reshape(1, -1, channels)
        with without_autocast(query):  # half precision would round dot products that the temperature then spreads
            likeness = torch.bmm(full(query), full(key).detach().transpose(1, 2)) / self.temperature
        own = torch.arange(likeness.shape[1], device=query.device).expand(len(likeness), -1)  # on the diagonal
        return F.cross_entropy(likeness.flatten(0, 1), own.flatten(), reduction="none").view(pictures, places)

    def extra_repr(self) -> str:
        return f"temperature={self.temperature}, negatives={self.negatives!r}"
