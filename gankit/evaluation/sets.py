"""Figures of whole sets: how far the outputs, as a set, are from real pictures, in the features of a frozen network.

`statistics` of such a metric gives the features of a picture, and `compare` takes those of the outputs and those of
the references. Several metrics of one network and one protocol share its features. All arithmetic after the network is
float64.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from gankit.backbones.inception import Inception
from gankit.core.better import Better
from gankit.evaluation.extract import Extractor
from gankit.evaluation.metrics import Metric
from gankit.evaluation.protocols import ProtocolName
from gankit.slots import Backbone, Ge, Le

SMALL = 2000
"""Below so many pictures KID is the figure to look at, for FID then says more about their number."""
SEED = 0


class SetMetric(Metric):
    """Base of the metrics that compare a set of outputs with a set of references.

    features: the network; the row's name carries it unless it is the Inception of FID. protocol: see
    `gankit.evaluation.protocols`. side: pictures are brought to side x side px; null: 299 for Inception, else 224.
    """

    pooling = "over the two sets"
    resamples: ClassVar[int] = 200
    largest: ClassVar[int] = 512
    """Larger sets are not resampled, for it would take too long."""
    shifts: ClassVar[bool] = True
    """Whether resamples are off in the mean: a set drawn with replacement has fewer different pictures."""
    lowest: ClassVar[float] = -math.inf
    """The least that the figure can be."""

    def __init__(
        self,
        *,
        features: Backbone = Inception,
        protocol: ProtocolName = "clean",
        side: Annotated[int, Ge(8), Le(4096)] | None = None,
    ) -> None:
        self.extractor = Extractor(features, protocol, side)

    def named(self, name: str) -> str:
        return self.extractor.named(name)

    def prepare(self, device: str | torch.device, fetch: bool = True) -> None:
        self.extractor.load(device, fetch)

    def statistics(self, output: Tensor) -> Tensor:
        return self.extractor(output)

    def summarise(self, statistics: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} compares two sets: use `compare`")

    def __call__(self, *args: Tensor) -> float:
        """The figure of two batches of pictures: outputs, references."""
        output, reference = args
        self.prepare(output.device)
        return float(self.compare(self.statistics(output), self.statistics(reference)))

    def compare(self, output: Tensor, reference: Tensor) -> Tensor:
        """Features (N, D) and (M, D), float64 -> the figure."""
        raise NotImplementedError

    def resampled(self, output: Tensor, reference: Tensor, generator: torch.Generator) -> Tensor | None:
        """The figure for sets drawn from these with replacement: (resamples,); None where the sets are too large."""
        if max(len(output), len(reference)) > self.largest:
            return None
        figures = []
        for _ in range(self.resamples):
            ours, theirs = draw(len(output), generator), draw(len(reference), generator)
            figures.append(self.compare(output[ours], reference[theirs]))
        return torch.stack(figures)

    def extras(self, output: Tensor, reference: Tensor) -> dict[str, float]:
        """Figures beside the figure, such as a standard deviation; their mean where there are several references."""
        return {}

    def warning(self, output: int, reference: int) -> str:
        """What to know of a figure of so many pictures; empty for nothing."""
        return self.extractor.warning()

    def protocol(self) -> dict[str, object]:
        sets = {"resamples": self.resamples, "equal_pictures": "all count"}
        return {**super().protocol(), **self.extractor.protocol(), **sets}


class KID(SetMetric):
    """Kernel Inception distance (arXiv 1801.01401) x100: unbiased squared MMD with the kernel (x.y / D + 1)^3.

    It is the mean over random subsets, beside their standard deviation. It is 0 in the mean for two samples of one
    distribution, whatever their size, so that it may be negative. The code of StyleGAN prints it x1000. The interval
    draws pictures with replacement and leaves out the pairs of a picture with itself.

    Args:
        features: the backbone whose features are compared. The row's name carries it, unless it is the Inception of
            FID.
        protocol: how pictures come to the network's size, see `gankit.evaluation.protocols`.
        side: the side in pixels to which pictures are brought. None is 299 for Inception, and 224 for all others.
        subsets: how many random subsets are drawn.
        subset_size: how many pictures of either set a subset has. It has all where a set has fewer.
    """

    unit = "(x100)"
    better: ClassVar[Better] = "lower"
    resamples = 1000
    largest = 4000

    def __init__(
        self,
        *,
        features: Backbone = Inception,
        protocol: ProtocolName = "clean",
        side: Annotated[int, Ge(8), Le(4096)] | None = None,
        subsets: Annotated[int, Ge(1), Le(1_000_000)] = 100,
        subset_size: Annotated[int, Ge(2), Le(1_000_000)] = 50,
    ) -> None:
        super().__init__(features=features, protocol=protocol, side=side)
        self.subsets, self.subset_size = subsets, subset_size

    def compare(self, output: Tensor, reference: Tensor) -> Tensor:
        return self._of_subsets(output, reference).mean()

    def extras(self, output: Tensor, reference: Tensor) -> dict[str, float]:
        if min(self.subset_size, len(output), len(reference)) == max(len(output), len(reference)):
            return {}  # every subset is the whole set
        return {"std": float(self._of_subsets(output, reference).std(correction=0))}

    def _of_subsets(self, output: Tensor, reference: Tensor) -> Tensor:
        size = min(self.subset_size, len(output), len(reference))
        generator = torch.Generator().manual_seed(SEED)
        figures = []
        for _ in range(self.subsets):
            x = output[torch.randperm(len(output), generator=generator)[:size]]
            y = reference[torch.randperm(len(reference), generator=generator)[:size]]
            pairs = size * (size - 1)
            xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
            within = (xx.sum() - xx.trace() + yy.sum() - yy.trace()) / pairs
            figures.append(within - 2 * xy.mean())
        return torch.stack(figures) * 100

    def resampled(self, output: Tensor, reference: Tensor, generator: torch.Generator) -> Tensor | None:
        n, m = len(output), len(reference)
        if max(n, m) > self.largest:
            return None
        w, v = _counts(n, self.resamples, generator), _counts(m, self.resamples, generator)
        xx, yy, xy = kernel(output, output), kernel(reference, reference), kernel(output, reference)
        within = _pairs(w, xx) + _pairs(v, yy)
        return 100 * (within - 2 * ((w @ xy) * v).sum(1) / (n * m))

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "subsets": f"{self.subsets} x {self.subset_size} at most"}


class FID(SetMetric):
    """Fréchet inception distance (arXiv 1706.08500): of the normal distributions with the sets' means and covariances.

    It is far too large for few pictures: two samples of 100 pictures of one and the same distribution can be more than
    100 apart. Compare it only between sets of the same size, and look at KID below 2,000 pictures. The interval tells
    what the choice of pictures does at this size, not that bias.

    Args:
        features: the backbone whose features are compared. The row's name carries it, unless it is the Inception of
            FID.
        protocol: how pictures come to the network's size, see `gankit.evaluation.protocols`.
        side: the side in pixels to which pictures are brought. None is 299 for Inception, and 224 for all others.
    """

    better: ClassVar[Better] = "lower"
    lowest = 0.0

    def compare(self, output: Tensor, reference: Tensor) -> Tensor:
        return frechet(output, reference).clamp(min=self.lowest)  # rounding may leave it a little below

    def resampled(self, output: Tensor, reference: Tensor, generator: torch.Generator) -> Tensor | None:
        """All from the products of the features with each other, which are computed once."""
        n, m = len(output), len(reference)
        if max(n, m) > self.largest:
            return None
        xx, yy, xy = output @ output.T, reference @ reference.T, output @ reference.T
        figures = []
        for _ in range(self.resamples):
            i, j = draw(n, generator), draw(m, generator)
            ours, theirs, cross = xx[i][:, i], yy[j][:, j], xy[i][:, j]
            apart = ours.mean() + theirs.mean() - 2 * cross.mean()
            spread = (ours.trace() - n * ours.mean()) / (n - 1) + (theirs.trace() - m * theirs.mean()) / (m - 1)
            cross = cross - cross.mean(0) - cross.mean(1, keepdim=True) + cross.mean()
            squares = cross @ cross.T if n <= m else cross.T @ cross
            root = torch.linalg.eigvalsh(squares).clamp(min=0).sqrt().sum() / ((n - 1) * (m - 1)) ** 0.5
            figures.append(apart + spread - 2 * root)
        return torch.stack(figures)

    def warning(self, output: int, reference: int) -> str:
        few = min(output, reference)
        small = (
            f"{few:,} pictures are few for FID: compare only figures of this number, or use KID" if few < SMALL else ""
        )
        return "; ".join(filter(None, (small, super().warning(output, reference))))


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """KID's: (N, D), (M, D) -> (N, M)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def frechet(x: Tensor, y: Tensor) -> Tensor:
    """The squared Fréchet distance of the normal distributions fitted to (N, D) and (M, D).

    The trace of the root of the covariances' product is the sum of the singular values of Xc Yc^T, so that no root of a
    matrix is taken: of N x M numbers, or of D x D where that is less.
    """
    mean_x, mean_y = x.mean(0), y.mean(0)
    x, y = (x - mean_x) / (len(x) - 1) ** 0.5, (y - mean_y) / (len(y) - 1) ** 0.5
    if len(x) * len(y) <= x.shape[1] ** 2:
        cross = torch.linalg.svdvals(x @ y.T).sum()
    else:
        values, vectors = torch.linalg.eigh(x.T @ x)
        root = vectors * values.clamp(min=0).sqrt() @ vectors.T
        cross = torch.linalg.eigvalsh(root @ (y.T @ y) @ root).clamp(min=0).sqrt().sum()
    return (mean_x - mean_y).square().sum() + x.square().sum() + y.square().sum() - 2 * cross


def draw(count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(count, (count,), generator=generator)


def _counts(count: int, resamples: int, generator: torch.Generator) -> Tensor:
    """(resamples, count): how often each picture is drawn."""
    drawn = torch.randint(count, (resamples, count), generator=generator)
    return torch.zeros(resamples, count, dtype=torch.float64).scatter_add_(
        1, drawn, torch.ones(resamples, count, dtype=torch.float64)
    )


def _pairs(weights: Tensor, matrix: Tensor) -> Tensor:
    """The weighted mean over pairs of two pictures, for each row of weights."""
    matrix = matrix - matrix.diagonal().diag()
    pairs = weights.sum(1).square() - weights.square().sum(1)
    return ((weights @ matrix) * weights).sum(1) / pairs
