"""StarGAN's domain classification (arXiv 1711.09020, equations 2 and 3)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from gankit.precision import full


class DomainClassification(nn.Module):
    """Which domain the critic names: the mean cross-entropy with the label (arXiv 1711.09020).

    forward(fake_classes, domain): the generator pays where its translations are not taken for the target domain.
    discriminator(real_classes, source_domain): the critic learns the domains only from real pictures. Logits
    (N, domains) before the softmax, labels (N,) int64; both return a scalar. The paper's weight is 1.
    """

    def forward(self, fake_classes: Tensor, domain: Tensor) -> Tensor:
        return F.cross_entropy(full(fake_classes), domain)

    def discriminator(self, real_classes: Tensor, source_domain: Tensor) -> Tensor:
        return F.cross_entropy(full(real_classes), source_domain)
