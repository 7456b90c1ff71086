"""Precision and recall of sets of pictures, density and coverage: who is within reach of whom."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from gankit.backbones.inception import Inception
from gankit.evaluation.protocols import ProtocolName
from gankit.evaluation.sets import SetMetric, draw
from gankit.slots import Backbone, Ge, Le


class Neighbours(SetMetric):
    """Base of the metrics that take the balls around pictures, each up to its k-th nearest neighbour, as a set's reach.

    The interval draws the pictures that are asked about; the balls stay.
    """

    resamples = 1000
    shifts = False

    def __init__(
        self,
        *,
        features: Backbone = Inception,
        protocol: ProtocolName = "clean",
        side: Annotated[int, Ge(8), Le(4096)] | None = None,
        k: Annotated[int, Ge(1), Le(1000)] = 3,
    ) -> None:
        super().__init__(features=features, protocol=protocol, side=side)
        self.k = k

    @property
    def least(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.k + 1

    def scores(self, output: Tensor, reference: Tensor) -> Tensor:
        """The share of each picture that is asked about; the figure is their mean."""
        raise NotImplementedError

    def compare(self, output: Tensor, reference: Tensor) -> Tensor:
        return self.scores(output, reference).mean()

    def resampled(self, output: Tensor, reference: Tensor, generator: torch.Generator) -> Tensor | None:
        scores = self.scores(output, reference)
        return torch.stack([scores[draw(len(scores), generator)].mean() for _ in range(self.resamples)])

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "k": self.k}


class Precision(Neighbours):
    """Improved precision (arXiv 1904.06991): the share of outputs within reach of the references, from 0 to 1.

    Args:
        features: the backbone whose features are compared. The row's name carries it, unless it is the Inception of
            FID.
        protocol: how pictures come to the network's size, see `gankit.evaluation.protocols`.
        side: the side in pixels to which pictures are brought. None is 299 for Inception, and 224 for all others.
        k: the ball around a picture reaches to its k-th nearest neighbour.
    """

    def scores(self, output: Tensor, reference: Tensor) -> Tensor:
        return within(output, reference, self.k).any(1).double()


class Recall(Neighbours):
    """Improved recall (arXiv 1904.06991): the share of references within reach of the outputs, from 0 to 1.

    Args:
        features: the backbone whose features are compared. The row's name carries it, unless it is the Inception of
            FID.
        protocol: how pictures come to the network's size, see `gankit.evaluation.protocols`.
        side: the side in pixels to which pictures are brought. None is 299 for Inception, and 224 for all others.
        k: the ball around a picture reaches to its k-th nearest neighbour.
    """

    def scores(self, output: Tensor, reference: Tensor) -> Tensor:
        return within(reference, output, self.k).any(1).double()


class Density(Neighbours):
    """Density (arXiv 2002.09797): in how many of the references' balls an output lies, by k; it may exceed 1.

    Args:
        features: the backbone whose features are compared. The row's name carries it, unless it is the Inception of
            FID.
        protocol: how pictures come to the network's size, see `gankit.evaluation.protocols`.
        side: the side in pixels to which pictures are brought. None is 299 for Inception, and 224 for all others.
        k: the ball around a picture reaches to its k-th nearest neighbour.
    """

    def __init__(
        self,
        *,
        features: Backbone = Inception,
        protocol: ProtocolName = "clean",
        side: Annotated[int, Ge(8), Le(4096)] | None = None,
        k: Annotated[int, Ge(1), Le(1000)] = 5,
    ) -> None:
        super().__init__(features=features, protocol=protocol, side=side, k=k)

    def scores(self, output: Tensor, reference: Tensor) -> Tensor:
        return within(output, reference, self.k).double().sum(1) / self.k


class Coverage(Density):
    """Coverage (arXiv 2002.09797): the share of the references' balls that hold an output, from 0 to 1.

    Args:
        features: the backbone whose features are compared. The row's name carries it, unless it is the Inception of
            FID.
        protocol: how pictures come to the network's size, see `gankit.evaluation.protocols`.
        side: the side in pixels to which pictures are brought. None is 299 for Inception, and 224 for all others.
        k: the ball around a picture reaches to its k-th nearest neighbour.
    """

    def scores(self, output: Tensor, reference: Tensor) -> Tensor:
        return within(output, reference, self.k).any(0).double()


def within(points: Tensor, centres: Tensor, k: int) -> Tensor:
    """(N, D), (M, D) -> (N, M): whether a point is no further from a centre than that centre's k-th neighbour."""
    # the nearest is the centre itself
    radius = torch.cdist(centres, centres).fill_diagonal_(0).kthvalue(k + 1, dim=1).values
    return torch.cdist(points, centres) <= radius
