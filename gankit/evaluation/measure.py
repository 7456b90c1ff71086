"""From batches of tensors to rows of figures: what the measurements of runs and of folders share."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor

from gankit.codecs.base import Codec
from gankit.core.errors import GankitError
from gankit.evaluation.extract import Extractor, Unavailable
from gankit.evaluation.metrics import Metric
from gankit.evaluation.results import Evaluation, Figure
from gankit.evaluation.sets import SetMetric
from gankit.evaluation.trivial import Trivial, judged_by_truth

RESAMPLES, BOOTSTRAP_SEED = 1000, 0
RESAMPLED_VALUES = 2**20
"""So many numbers of resampled pictures are held at a time."""
PRECISION = "fp32"
"""Of networks and features while they are measured, whatever the training's was; not TF32 on GPUs either."""
Interval = tuple[float | None, float | None]
Reference = Literal["target", "source", "mean"]
ROLES: Mapping[Reference, tuple[str, ...]] = {
    "target": ("target",),
    "source": ("source",),
    "mean": ("target", "source"),
}
"""What sets of outputs are compared with; `mean` is the mean of two figures."""


class Measurement:
    """Takes pictures batch by batch and gives rows.

    metrics: by the names of their rows. device: where features are computed. reference: with what sets are compared.
    asked: they were named by somebody, so that those which cannot be measured get a row that says why. absent: name of
    a tensor -> why there is none. fetch: download weights that are nowhere here. rounded: to the levels of 8-bit files.
    codecs: of the outputs' files, by direction.
    """

    def __init__(
        self,
        metrics: Mapping[str, Metric],
        device: str | torch.device = "cpu",
        reference: Reference = "target",
        asked: bool = False,
        absent: Mapping[str, str] | None = None,
        fetch: bool = True,
        rounded: bool = True,
        codecs: Mapping[str, Codec] = MappingProxyType({}),
    ) -> None:
        self.metrics, self.roles, self.asked, self.codecs = metrics, ROLES[reference], asked, codecs
        self.reference = reference
        self.absent = dict(absent or {})
        self.reasons: dict[tuple[str, str], str] = {}  # (metric, direction or "") -> why it is not measured
        self.extractors: dict[object, Extractor] = {}
        self.statistics: dict[tuple[str, str], list[Tensor]] = defaultdict(list)
        self.trivial = Trivial(metric.within for metric in metrics.values())
        self.trivial_statistics: dict[tuple[str, str], dict[str, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
        self.features: dict[tuple[object, str, str], list[Tensor]] = defaultdict(list)
        self.offered: dict[str, set[str]] = defaultdict(set)  # direction -> tensors that were given
        for name, metric in metrics.items():
            metric.rounded = rounded
            if isinstance(metric, SetMetric):  # one network for all that share it
                metric.extractor = self.extractors.setdefault(metric.extractor.key, metric.extractor)
                metric.extractor.rounded = rounded
            try:
                metric.prepare(device, fetch)
            except Unavailable as e:
                self.reasons[name, ""] = str(e)

    def able(self, direction: str) -> dict[str, Metric]:
        """The metrics that nothing has spoken against yet."""
        failed = {name for name, way in self.reasons if way in ("", direction)}
        return {name: metric for name, metric in self.metrics.items() if name not in failed}

    @property
    def compares_sets(self) -> bool:
        """Whether any metric compares sets."""
        return any(
            isinstance(metric, SetMetric) and (name, "") not in self.reasons for name, metric in self.metrics.items()
        )

    def add(
        self,
        direction: str,
        tensors: Mapping[str, Any],
        new: int | None = None,
        offered: Iterable[str] = (),
    ) -> None:
        """A batch. new: so many of the outputs, the first ones, are those of sources that were not there before, and
        count in their set; None: all. offered: what else could have been computed, had a metric asked for it.
        """
        check_finite(direction, tensors)
        self.offered[direction] |= {*tensors, *offered}
        for name, metric in self.able(direction).items():
            if isinstance(metric, SetMetric) or not set(metric.needs()) <= tensors.keys():
                continue
            metric.codec = self.codecs.get(direction)
            try:
                values = metric.statistics(*(tensors[need] for need in metric.needs()))
            except ValueError as e:  # pictures that a metric cannot take
                self.reasons[name, direction] = str(e)
                self.statistics.pop((name, direction), None)
                continue
            self.statistics[name, direction].append(values.cpu())
            if judged_by_truth(metric):
                for answer, inputs in self.trivial.answers(direction, tensors, metric).items():
                    values = metric.statistics(*(inputs[need] for need in metric.needs()))
                    self.trivial_statistics[name, direction][answer].append(values.cpu())
        if "output" in tensors and self.compares_sets:
            self._collect(direction, "output", tensors["output"][:new])

    def add_reference(self, direction: str, role: str, pictures: Tensor) -> None:
        """Real pictures (N, C, H, W) of a role, `target` or `source`: each counts, also one that equals another."""
        if role in self.roles and self.compares_sets:
            check_finite(direction, {role: pictures})
            self._collect(direction, role, pictures)

    def _collect(self, direction: str, role: str, pictures: Tensor) -> None:
        if not len(pictures):
            return
        for key in {m.extractor.key for m in self.able(direction).values() if isinstance(m, SetMetric)}:
            try:
                self.features[key, direction, role].append(self.extractors[key](pictures).cpu())
            except ValueError as e:
                for name, metric in self.able(direction).items():
                    if isinstance(metric, SetMetric) and metric.extractor.key == key:
                        self.reasons[name, direction] = str(e)

    # -- rows --------------------------------------------------------------------------------------------------------
    def results(self, directions: Sequence[str], common: Mapping[str, Any]) -> Evaluation:
        """The rows, in the order of the metrics, then of the directions. common: of every protocol."""
        rows: list[Figure] = []
        for name, metric in self.metrics.items():
            if (name, "") in self.reasons:
                rows.append(_unavailable(name, metric, "", self.reasons[name, ""]))
                continue
            figures = [row for way in directions for row in self._rows(name, metric, way, common)]
            if not figures and self.asked:
                figures = [_unavailable(name, metric, "", self._lack(metric))]
            rows += figures
        return Evaluation(tuple(rows))

    def _rows(self, name: str, metric: Metric, way: str, common: Mapping[str, Any]) -> Iterator[Figure]:
        if (name, way) in self.reasons:
            yield _unavailable(name, metric, way, self.reasons[name, way])
        elif isinstance(metric, SetMetric):
            yield from self._set_row(name, metric, way, common)
        elif (name, way) in self.statistics:
            metric.codec = self.codecs.get(way)
            for label, statistics in metric.rows(torch.cat(self.statistics[name, way])):
                value, interval = float(metric.summarise(statistics)), bootstrap(metric, statistics)
                protocol = {"n": len(statistics), **metric.protocol(), **common}
                trivial = self._trivial(name, metric, way, label)
                yield _row(name, metric, way, value, interval, protocol, label=label, trivial=trivial)

    def _trivial(self, name: str, metric: Metric, way: str, label: str) -> dict[str, float | None]:
        """The figure of each trivial answer."""
        return {
            answer: _number(float(metric.summarise(dict(metric.rows(torch.cat(chunks)))[label])))
            for answer, chunks in self.trivial_statistics[name, way].items()
        }

    def _set_row(self, name: str, metric: SetMetric, way: str, common: Mapping[str, Any]) -> Iterator[Figure]:
        features = {role: self.features.get((metric.extractor.key, way, role)) for role in ("output", *self.roles)}
        sets = {role: torch.cat(chunks) for role, chunks in features.items() if chunks}
        if len(sets) < len(features):
            return
        output, references = sets.pop("output"), [sets[role] for role in self.roles]
        counts = [len(x) for x in references]
        if min(len(output), *counts) < metric.least:
            why = f"it needs at least {metric.least} pictures of each set; there are {len(output)} and {min(counts)}"
            yield _unavailable(name, metric, way, why)
            return
        value = float(torch.stack([metric.compare(output, x) for x in references]).mean())
        interval = resampled_interval(metric, output, references, value)
        protocol = {"n": len(output), "n_reference": counts[0] if len(counts) == 1 else counts}
        protocol |= {"reference": self.reference, **metric.protocol(), **common}
        extras = [metric.extras(output, x) for x in references]
        shared = set.intersection(*map(set, extras))  # against a set as small as the outputs' KID has no spread
        more = {key: _number(sum(e[key] for e in extras) / len(extras)) for key in sorted(shared)}
        warning = metric.warning(len(output), min(counts))
        yield _row(name, metric, way, value, interval, protocol, more=more, warning=warning)

    def _lack(self, metric: Metric) -> str:
        """Why an asked metric has no row."""
        offered = set().union(*self.offered.values())
        wanted = ("output", *self.roles) if isinstance(metric, SetMetric) else metric.needs()
        have = offered | {role for _, _, role in self.features}
        lacking = [need for need in wanted if need not in have]
        for need in lacking:
            if need in self.absent:
                return self.absent[need]
        if not lacking:
            return "there is no picture to measure"
        return f"it needs {' and '.join(lacking)}, which the data and the method do not offer"


def check_finite(direction: str, tensors: Mapping[str, Any]) -> None:
    """Raises GankitError for pictures and maps that hold NaN."""
    for name in ("output", "attention", "truth", "target", "source"):
        tensor = tensors.get(name)
        if isinstance(tensor, Tensor) and not bool(tensor.isfinite().all()):
            of = f" of {direction}" if direction else ""
            raise GankitError(
                f"the {name}{of} holds NaN or infinite values, so it cannot be measured; "
                "take an earlier checkpoint or train again with a smaller learning rate"
            )


def stacked(samples: Iterable[Mapping[str, Any]], size: int) -> Iterator[dict[str, Tensor]]:
    """Consecutive samples of equal shapes, stacked; pictures of other sizes start another batch."""
    tensors = ({name: x for name, x in sample.items() if isinstance(x, Tensor)} for sample in samples)
    for _, group in itertools.groupby(tensors, lambda sample: {name: x.shape for name, x in sample.items()}):
        while chunk := list(itertools.islice(group, size)):
            yield {name: torch.stack([sample[name] for sample in chunk]) for name in chunk[0]}


def bootstrap(metric: Metric, statistics: Tensor) -> Interval | None:
    """The 95 % percentile interval of a metric over resampled pictures; statistics: (N, K). None for N < 2."""
    count = len(statistics)
    if count < 2:
        return None
    drawn = torch.randint(count, (RESAMPLES, count), generator=torch.Generator().manual_seed(BOOTSTRAP_SEED))
    together = max(1, RESAMPLED_VALUES // statistics.numel())
    return _interval(torch.cat([metric.summarise(statistics[some]) for some in drawn.split(together)]))


def resampled_interval(
    metric: SetMetric, output: Tensor, references: Sequence[Tensor], value: float
) -> Interval | None:
    """The 95 % interval of a figure of sets; None where the sets are too large.

    Where resamples are off in the mean, the interval is their spread around that mean, laid around the figure; it ends
    where the metric does.
    """
    drawn = []
    for reference in references:  # with one generator's state: the same outputs against each
        resamples = metric.resampled(output, reference, torch.Generator().manual_seed(BOOTSTRAP_SEED))
        if resamples is None:
            return None
        drawn.append(resamples)
    figures = torch.stack(drawn).mean(0)
    return _interval((figures - figures.mean() + value if metric.shifts else figures).clamp(min=metric.lowest))


def _interval(figures: Tensor) -> Interval:
    low, high = figures.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return _number(low), _number(high)


def _row(
    name: str,
    metric: Metric,
    direction: str,
    value: float,
    interval: Interval | None,
    protocol: Mapping[str, Any],
    **more: Any,
) -> Figure:
    told = {"metric": name, "direction": direction, **protocol}
    return Figure(name, direction, _number(value), interval, metric.unit, metric.better, told, **more)


def _unavailable(name: str, metric: Metric, direction: str, why: str) -> Figure:
    return Figure(name, direction, None, None, metric.unit, metric.better, unavailable=why)


def _number(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else None
