"""The loss of U-GAT-IT's auxiliary classifier."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gankit.precision import full


class CAMLoss(nn.Module):
    """The generator's attention head tells the source's domain from the target's (U-GAT-IT, arXiv 1907.10830).

    forward(logits, identity_logits) -> scalar. logits: of the head on the source, pulled to 1; identity_logits: on the
    target, pulled to 0; both (N, K), binary cross-entropy. The reference's weight is 1000.
    """

    def forward(self, logits: Tensor, identity_logits: Tensor) -> Tensor:
        logits, identity_logits = full(logits), full(identity_logits)
        source = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
        return source + F.binary_cross_entropy_with_logits(identity_logits, torch.zeros_like(identity_logits))
