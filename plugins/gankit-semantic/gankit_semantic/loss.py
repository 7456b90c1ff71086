"""Semantic consistency: a network of labels must see in the translation what the source's labels say."""

from __future__ import annotations

from functools import partial
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.contracts import GeneratorContract
from gankit.fields import Segmentation
from gankit.generators import UNetGenerator
from gankit.methods import image_of
from gankit.norms import NoNorm
from gankit.precision import full
from gankit.slots import Ge, Generator, Lt

SMALL = partial(UNetGenerator, channels=16, downs=3, norm=NoNorm, dropout=False)
"""Without norms: they take the mean colour of a picture away, by which classes may be told."""


class Judged(nn.Module):
    """Base of the losses with a network that names the class of each pixel, trained beside the critics."""

    learns_in: ClassVar[str] = "discriminator"

    def __init__(
        self,
        classes: Annotated[int, Ge(2)],
        channels: Annotated[int, Ge(1)] = 3,
        network: Generator = SMALL,
        width: Annotated[int, Ge(1)] = 16,
        confidence: Annotated[float, Ge(0), Lt(1)] = 0.5,
    ) -> None:
        super().__init__()
        self.takes = {"segmentation": Segmentation(classes)}
        self.confidence = confidence
        self.network = network(channels, width)
        self.head = nn.Conv2d(width, classes, 1)  # without the tanh of a generator, whose ends pass no gradient on
        self.multiple = GeneratorContract(self.network).size_multiple

    def missed(self, picture: Tensor, segmentation: Tensor) -> Tensor:
        """The cross entropy of each pixel, (N, H, W); 0 where there is no label."""
        missed = F.cross_entropy(self.named(picture), segmentation.argmax(1), reduction="none")
        return missed * segmentation.sum(1)

    def named(self, picture: Tensor) -> Tensor:
        """The logits of classes, (N, classes, H, W), float32 at least, of pictures of any size."""
        height, width = picture.shape[-2:]
        room = -width % self.multiple, -height % self.multiple
        padded = F.pad(picture, (0, room[0], 0, room[1]), mode="replicate") if any(room) else picture
        return full(self.head(image_of(self.network(padded))))[..., :height, :width]

    def extra_repr(self) -> str:
        return f"confidence={self.confidence}"


def mean(missed: Tensor, segmentation: Tensor) -> Tensor:
    """Over the labelled pixels of each picture, (N,); 0 for one without labels."""
    return missed.sum((1, 2)) / segmentation.sum((1, 2, 3)).clamp(min=1)


class Semantic(Judged):
    """Semantic consistency where both domains have labels (arXiv 1711.03213, section 3, with labels of pixels).

    A network learns beside the critics to name the class of each pixel of the target domain's real pictures:
    discriminator(target, back_segmentation). The generator pays where it does not see the source's classes in the
    translation: forward(output, segmentation, target, back_segmentation). Both are the cross entropy, the mean over the
    labelled pixels of a picture, then over pictures: a scalar. Pictures (N, channels, H, W) in [-1, 1]; maps
    (N, classes, H, W), 1 at the class of a pixel; pixels without a class, all 0, do not count.

    In methods of two directions the maps are `segmentation_a` and `segmentation_b`; in others `on` says where they are.
    A term for each direction, `weight: {a2b: 1}` and `weight: {b2a: 1}`, gives each domain a network of its own; one
    term for both has one that knows both domains, and takes a colour of the one for a colour of the other.

    Args:
        classes: how many there are.
        channels: of the pictures that it sees.
        network: any generator; it makes `width` features of each pixel, of which a 1x1 convolution makes the logits.
        width: how many.
        confidence: a picture counts only while the network gives the labels of the target beside it at least this
            probability, the geometric mean over pixels: not before it has learned, nor beside a target without labels.
            0: always.
    """

    def forward(self, output: Tensor, segmentation: Tensor, target: Tensor, back_segmentation: Tensor) -> Tensor:
        wrong = mean(self.missed(output, segmentation), segmentation)
        if self.confidence:
            with torch.no_grad():
                known = mean(self.missed(target, back_segmentation), back_segmentation).neg().exp()
                known = known * back_segmentation.amax((1, 2, 3))  # of no labels nothing is known
            wrong = wrong * (known >= self.confidence)
        return wrong.mean()

    def discriminator(self, target: Tensor, back_segmentation: Tensor) -> Tensor:
        return mean(self.missed(target, back_segmentation), back_segmentation).mean()


class SemanticSource(Judged):
    """Semantic consistency where only the source has labels, as CyCADA has it (arXiv 1711.03213, section 3).

    A network learns beside the critics to name the class of each pixel of the source's real pictures:
    discriminator(source, segmentation); it must name them in the translation too, whose look it never learns:
    forward(output, source, segmentation). So it helps where classes look alike in both domains. Pictures
    (N, channels, H, W), maps (N, classes, H, W), and all else as in `semantic`; keep the term to the direction that has
    labels, as by `weight: {a2b: 1}`.

    Args:
        classes: how many there are.
        channels: of the pictures that it sees.
        network: any generator; it makes `width` features of each pixel, of which a 1x1 convolution makes the logits.
        width: how many.
        confidence: a pixel of the translation counts only where the network gives the source's label on the source at
            least this probability: not before it has learned, and not where labels are wrong. 0: all count.
    """

    def forward(self, output: Tensor, source: Tensor, segmentation: Tensor) -> Tensor:
        wrong = self.missed(output, segmentation)
        if self.confidence:
            with torch.no_grad():
                known = self.missed(source, segmentation).neg().exp()
            wrong = wrong * (known >= self.confidence)
        return mean(wrong, segmentation).mean()

    def discriminator(self, source: Tensor, segmentation: Tensor) -> Tensor:
        return mean(self.missed(source, segmentation), segmentation).mean()
