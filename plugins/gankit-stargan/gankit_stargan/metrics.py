"""How good translations to several domains are, for each of them, beside answers that cost nothing.

A picture's own domain is no target: nothing is to be changed there.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from gankit.evaluation import Metric, levels, ratio

LEVELS = 256


class PerDomain(Metric):
    """Base of ratios with a row for all target domains, one for each, and one for each of the `answers`.

    `statistics` begin with so many pairs (N, 2), numerator and denominator, in this order.
    """

    answers: ClassVar[tuple[str, ...]] = ()
    default: ClassVar[bool] = True
    pooling = "over all target domains but a picture's own"

    def rows(self, statistics: Tensor) -> list[tuple[str, Tensor]]:
        pairs = statistics.unflatten(1, (-1, 2))
        each = [f"to {domain}" for domain in range(pairs.shape[1] - 1 - len(self.answers))]
        return list(zip(["", *each, *self.answers], pairs.unbind(1), strict=True))

    def summarise(self, statistics: Tensor) -> Tensor:
        return ratio(statistics[..., :2])


def foreign(source_domain: Tensor, domains: int) -> Tensor:
    """(N,) -> (N, domains): which domains are targets of a picture."""
    return torch.arange(domains, device=source_domain.device) != source_domain[:, None]


def pairs(numerator: Tensor, denominator: Tensor, *answers: tuple[Tensor, Tensor]) -> Tensor:
    """(N, D) each, and a pair of (N,) for each answer -> (N, 2 * (1 + D + answers)), as `PerDomain` reads it."""
    whole = [(numerator.sum(1), denominator.sum(1)), *zip(numerator.unbind(1), denominator.unbind(1), strict=True)]
    return torch.stack([one.double() for pair in (*whole, *answers) for one in pair], 1)


class DomainError(PerDomain):
    """How much of the way is left: the mean |translation - truth| on the true objects over that of the source.

    0 is the truth, 1 is no better than returning the input. Means are pooled over all object pixels. Beside the target
    domains there are two answers that cost nothing, on the same pictures: `best constant` paints the objects of each
    target domain in the one colour that has the least error of all; `mean colour` paints the objects of each picture
    in the mean colour of their own truth, which nobody is told.
    """

    better: ClassVar[Literal["higher", "lower"]] = "lower"
    answers = ("mean colour",)

    def statistics(
        self, source: Tensor, source_domain: Tensor, counterparts: Tensor, translations: Tensor, mask: Tensor
    ) -> Tensor:
        """(N, 2 * (D + 2) + D * C * 256 + 1): the pairs, how often each level stands in each channel of the truths'
        objects, and D."""
        truths, count = levels(counterparts), counterparts.shape[1]
        here = (mask > 0.5)[:, None] & foreign(source_domain, count)[:, :, None, None, None]
        here = here.expand_as(truths).double()
        flat = (truths * here).sum((3, 4), keepdim=True) / here.sum((3, 4), keepdim=True).clamp(min=1)
        ours, kept, mean = (
            ((answer - truths).abs() * here).flatten(2).sum(2)
            for answer in (levels(translations), levels(source)[:, None], flat)
        )
        seen = here.new_zeros(*truths.shape[:3], LEVELS).scatter_add_(3, truths.long().flatten(3), here.flatten(3))
        found = pairs(ours, kept, (mean.sum(1), kept.sum(1)))
        return torch.cat([found, seen.flatten(1), found.new_full((len(found), 1), count)], 1)

    def rows(self, statistics: Tensor) -> list[tuple[str, Tensor]]:
        count = int(statistics[0, -1])
        found, seen = statistics[:, : 2 * (count + 2)], statistics[:, 2 * (count + 2) : -1]
        constant = best_constant(seen.unflatten(1, (count, -1, LEVELS)))
        return [*super().rows(found), ("best constant", torch.stack([constant, found[:, 1]], 1))]

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "region": "inside the true objects", "relative_to": "returning the input"}


def best_constant(seen: Tensor) -> Tensor:
    """The summed error of each picture, (N,), if each channel of each domain had the one level of least error.

    seen: how often each level stands there, (N, D, C, 256).
    """
    level = torch.arange(LEVELS, dtype=seen.dtype, device=seen.device)
    distance = (level[:, None] - level).abs()
    best = (seen.sum(0) @ distance).argmin(-1)  # (D, C)
    return (seen * distance[best]).flatten(1).sum(1)


class DomainShare(PerDomain):
    """The share of translations for which the critic of the training names the target domain.

    That critic taught the generator, so that the share is what the generator was asked for, not an independent
    judgement. Beside it `real pictures`, the share of real pictures whose domain it names, and `the input`, what
    returning the input would have.
    """

    answers = ("real pictures", "the input")

    def statistics(self, source_domain: Tensor, translated_classes: Tensor, real_classes: Tensor) -> Tensor:
        """(N, 2 * (D + 3)): the pairs."""
        count = translated_classes.shape[1]
        targets, domain = foreign(source_domain, count), torch.arange(count, device=source_domain.device)
        named, seen = translated_classes.argmax(2) == domain, real_classes.argmax(1)
        real, idle = (seen == source_domain, torch.ones_like(seen)), (seen != source_domain, targets.sum(1))
        return pairs(named & targets, targets, real, idle)

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "judge": "the training's own critic"}


class DomainNearest(PerDomain):
    """The share of translations that are nearer to the truth in the target domain than to that in any other.

    Nearest by the mean |difference| on the true objects. No network judges, so that none can be deceived. Returning the
    input has 0.
    """

    def statistics(self, source_domain: Tensor, counterparts: Tensor, translations: Tensor, mask: Tensor) -> Tensor:
        """(N, 2 * (D + 1)): the pairs."""
        count, inside = counterparts.shape[1], (mask > 0.5)[:, None]
        made, truths = levels(translations), levels(counterparts)
        errors = [((one[:, None] - truths).abs() * inside).flatten(2).sum(2) for one in made.unbind(1)]
        nearest = torch.stack(errors, 1).argmin(2) == torch.arange(count, device=mask.device)
        targets = foreign(source_domain, count)
        return pairs(nearest & targets, targets)
