"""Contrasts of patches that weigh negatives by how near they are, and relations of patches (arXiv 2203.01532)."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from gankit.precision import full, without_autocast
from gankit.slots import Gt

Patches = Tensor | tuple[Tensor, ...]
"""Unit vectors of patches, (N, P, C), or a tuple of such, one for each layer: what the method `cut` offers."""


class HDCE(nn.Module):
    """Hard negatives, decoupled: which patch of the source is this patch of the output? (hDCE, arXiv 2203.01532)

    forward(query, key) -> scalar. query, key: unit vectors (N, P, C) of the same P > 1 places in N pictures, or tuples
    of such, one for each layer; no gradient flows to the keys. It stands where gankit-cut's `patchnce` does, in the
    method `cut`. Each query is to be less like the keys of other places than like its own: log of the sum over the
    others of exp((weight * query.other - query.own) / temperature), without the own one in the sum; the mean over
    patches, then layers. A negative's weight is exp((key.other - its largest) / gamma): patches of the source that are
    alike count more.

    gamma: the smaller, the more the hardest negatives count; 1 by default in the paper's code, which can let it fall,
    from 50 to 10 say. That code tells another number, of the same gradient.
    """

    mixes_batch = False

    def __init__(self, temperature: Annotated[float, Gt(0)] = 0.07, gamma: Annotated[float, Gt(0)] = 1.0) -> None:
        super().__init__()
        self.temperature, self.gamma = temperature, gamma

    def forward(self, query: Patches, key: Patches) -> Tensor:
        return torch.stack([self.of_layer(q, k) for q, k in layers(query, key)]).mean()

    def of_layer(self, query: Tensor, key: Tensor) -> Tensor:
        with without_autocast(query):
            query, key = full(query), full(key).detach()
            own = torch.eye(query.shape[1], dtype=torch.bool, device=query.device)
            near = (key @ key.transpose(1, 2)).masked_fill(own, -torch.inf)
            weight = ((near - near.amax(2, keepdim=True)) / self.gamma).exp()
            like = query @ key.transpose(1, 2)
            positive = like.diagonal(dim1=1, dim2=2).unsqueeze(2)
            apart = (weight * like - positive) / self.temperature
            return apart.masked_fill(own, -torch.inf).logsumexp(2).mean()

    def extra_repr(self) -> str:
        return f"temperature={self.temperature}, gamma={self.gamma}"


class SemanticRelation(nn.Module):
    """Patches of the output relate to each other as those of the source do (SRC, arXiv 2203.01532, section 3.2).

    forward(query, key) -> scalar. query, key: unit vectors (N, P, C), or tuples of such, as of `hdce`. For each patch
    the softmax of its likeness to all patches of its picture is a distribution; the Jensen-Shannon divergence of output
    and source, summed over patches, the mean over pictures and layers. No gradient flows to the keys. Its weight is
    1 by default in the paper's code, which takes all pictures of a batch for one.
    """

    def forward(self, query: Patches, key: Patches) -> Tensor:
        return torch.stack([self.of_layer(q, k) for q, k in layers(query, key)]).mean()

    def of_layer(self, query: Tensor, key: Tensor) -> Tensor:
        with without_autocast(query):
            ours, theirs = ((x @ x.transpose(1, 2)).log_softmax(2) for x in (full(query), full(key).detach()))
            middle = torch.logaddexp(ours, theirs) - torch.tensor(2.0).log().item()
            divergence = sum((p.exp() * (p - middle)).sum((1, 2)) for p in (ours, theirs))
            return 0.5 * torch.as_tensor(divergence).mean()


def layers(query: Patches, key: Patches) -> list[tuple[Tensor, Tensor]]:
    """Query and key of each layer. Raises ValueError where they do not match."""
    queries, keys = ((x,) if isinstance(x, Tensor) else x for x in (query, key))
    if len(queries) != len(keys):
        raise ValueError(f"query and key are of the same layers, not of {len(queries)} and {len(keys)}")
    for q, k in zip(queries, keys, strict=True):
        if q.ndim != 3 or q.shape != k.shape or q.shape[1] < 2:
            shapes = f"{tuple(q.shape)} and {tuple(k.shape)}"
            raise ValueError(f"query and key are patches (N, P, C) of the same places, two at least, not {shapes}")
    return list(zip(queries, keys, strict=True))
