"""`evaluate`: a method on the test split of a dataset, each figure with the protocol that made it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gankit.contracts import DatasetContract
from gankit.core.errors import BuildError, DataError, GankitError
from gankit.core.recipe import Recipe
from gankit.data.dataset import Dataset, PlacedDataset, Split
from gankit.evaluation import choose, kept
from gankit.evaluation.choose import default_metrics
from gankit.evaluation.folders import pictures
from gankit.evaluation.measure import PRECISION, ROLES, Measurement, Reference, stacked
from gankit.evaluation.metrics import Metric, true_objects
from gankit.evaluation.results import Evaluation
from gankit.evaluation.trivial import judged_by_truth
from gankit.methods.at_rest import at_rest
from gankit.methods.base import Method
from gankit.methods.styled import Styled
from gankit.training.run import Run

NOISE_SEED = 0
BESIDE_TRUTH = {"source", "truth", "mask", "truth_mask", "objects", "hole"}
"""What trivial answers are made of."""


def evaluate(
    method: Method,
    dataset: Dataset,
    batch_size: int = 16,
    device: str | torch.device = "cpu",
    limit: int | None = None,
    *,
    metrics: Mapping[str, Metric] | None = None,
    step: int | None = None,
    ema: bool | None = None,
    reference: Reference = "target",
    against: Path | None = None,
    direction: str | None = None,
    protocol: str | None = None,
    asked: bool = False,
    split: Split = "test",
) -> Evaluation:
    """Measure `method` on a split of `dataset` in each of its directions, or in one.

    A metric is measured where the data (mask, counterpart) and the method (attention) offer the tensors that it names.
    Without `metrics` those are all that need no network of their own; where that is nothing, or where `against` names
    a folder of real pictures, KID and FID. Sets of outputs are compared with the target's test pictures (or those of
    `against`), with the source's, or with both (`reference`). `limit` takes only the first pictures. protocol: of the
    metrics that are chosen here. asked: give the metrics that cannot be measured a row that says why. `step` and `ema`
    (averaged weights or not) are only noted in the protocol. Pictures are rounded to 8 bits, unless a codec of the
    data set reads more: then figures on 0..255 are on the window of the files, and the protocol says so.

    A figure that is not defined (no masked pixel at all) is None. Raises DataError for an unknown direction or an empty
    folder, `GankitError` when the method returns numbers that are not finite.
    """
    ways = _directions(method, direction, against)
    pictures_of = measured(dataset, split)
    codecs = DatasetContract(dataset).codecs
    of_ways = {way: codecs[side] for way in ways if (side := method.fields[way].get("target", "a")) in codecs}
    rounded = all(codec.stored == torch.uint8 for codec in codecs.values())
    common = {
        "split": split,
        "seed": DatasetContract(dataset).seed,
        "against": None if against is None else str(against),
        "rounding": "8 bit" if rounded else "none",
        "files": None if rounded else ", ".join(f"{side}: {codec.words}" for side, codec in codecs.items()),
        "weights_sha256": weights_sha256(method)[:12],
        "device": str(device),
        "precision": PRECISION,
        "step": step,
        "ema": ema,
    }
    common = {name: value for name, value in common.items() if name not in ("against", "files") or value}
    origin = method.device
    try:
        with measuring(method.to(device)):

            def measure(metrics: Mapping[str, Metric], asked: bool, fetch: bool = True) -> Evaluation:
                measurement = Measurement(
                    metrics, device, reference, asked, fetch=fetch, rounded=rounded, codecs=of_ways
                )
                torch.manual_seed(NOISE_SEED)
                _translate_all(measurement, method, pictures_of, ways, batch_size, device, limit, against)
                return measurement.results(ways, common)

            rows = measure(default_metrics() if metrics is None else metrics, asked)
            if metrics is None and (
                against or (not rows and _has_reference(method, pictures_of, device, ROLES[reference]))
            ):
                rows += measure(choose.named(choose.FALLBACK, protocol), asked=True, fetch=against is not None)
    finally:
        method.to(origin)
    return rows


def measured(dataset: Dataset, split: Split) -> Dataset:
    """The part of a data set from which figures are made; of that part itself again. Raises DataError."""
    return dataset.measured(split) if isinstance(dataset, PlacedDataset) else dataset.split(split)


class Loaded(Protocol):
    """A loaded run: `gankit.load` gives one. ema: whether the networks are averages over the training."""

    method: Method
    recipe: Recipe
    run_dir: Path
    step: int
    ema: bool

    def dataset(self, split: Split = "test") -> Dataset: ...


def evaluate_run(
    run: Loaded,
    batch_size: int = 16,
    device: str | None = None,
    limit: int | None = None,
    *,
    metrics: Mapping[str, Metric] | None = None,
    reference: Reference | None = None,
    against: Path | None = None,
    direction: str | None = None,
    protocol: str | None = None,
    split: Split = "test",
    keep: bool = True,
) -> Evaluation:
    """Measure a loaded run (`gankit.load`) on its own data, as its recipe says, and keep the results in it.

    limit: only the first N pictures, instead of the recipe's `evaluate.samples`. metrics, reference: instead of the
    recipe's. against, direction, protocol, split: see `evaluate`. Puts the figures into `evaluation.json`, beside those
    of other measurements, but for other splits than `test`, or unless `keep`; says so where that cannot be written.
    Raises RecipeError for a metric of the recipe that is not here.
    """
    dataset, method = run.dataset("train"), run.method
    device = device or str(method.device)
    settings = run.recipe.evaluate
    try:
        chosen = metrics if metrics is not None else choose.built(settings.metrics, protocol) or None
    except BuildError as error:
        raise run.recipe.error(error) from error
    evaluation = evaluate(
        method,
        dataset,
        batch_size,
        device,
        limit or settings.samples,
        metrics=chosen,
        step=run.step,
        ema=run.ema,
        reference=reference or settings.reference,
        against=against,
        direction=direction,
        protocol=protocol,
        asked=chosen is not None,
        split=split,
    )
    if split == "test" and keep:
        asked = {"metrics": None if metrics is None else list(metrics), "limit": limit, "reference": reference}
        asked |= {"against": against and str(against), "direction": direction, "protocol": protocol}
        with unless_refused():
            kept.keep(Run(Path(run.run_dir)).evaluation, evaluation, asked)
    return evaluation


@contextmanager
def unless_refused() -> Iterator[None]:
    """What is kept in a run that cannot be written to costs a line on stderr: figures are worth having all the same."""
    try:
        yield
    except GankitError as e:
        logging.getLogger(__name__).warning("not kept: %s", e)


@contextmanager
def measuring(method: Method) -> Iterator[None]:
    """Evaluation mode without gradients; methods that draw noise at test (pix2pix) draw the same each time."""
    device = method.device
    with at_rest(method), torch.random.fork_rng([device.index or 0] if device.type == "cuda" else []):
        torch.manual_seed(NOISE_SEED)
        yield


def weights_sha256(method: nn.Module) -> str:
    """The SHA-256 of all entries of the state dict, by name: name, type, shape and bytes. Independent of the device."""
    digest = hashlib.sha256()
    for name, tensor in sorted(method.state_dict().items()):
        flat = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {flat.dtype} {tuple(flat.shape)}\n".encode())
        digest.update(flat.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _directions(method: Method, direction: str | None, against: Path | None) -> tuple[str, ...]:
    """Those to measure: a folder of real pictures is of one domain, so that it stands for one direction's target."""
    if direction and direction not in method.directions:
        raise DataError(f"direction must be one of {', '.join(method.directions)}, not '{direction}'")
    if direction:
        return (direction,)
    return tuple(method.directions[:1] if against else method.directions)


def _translate_all(
    found: Measurement,
    method: Method,
    dataset: Dataset,
    ways: tuple[str, ...],
    batch_size: int,
    device: str | torch.device,
    limit: int | None,
    against: Path | None,
) -> None:
    """Give a measurement all pictures of the split, translated."""
    if not found.metrics or len(found.reasons) == len(found.metrics):
        return
    if any(map(judged_by_truth, found.metrics.values())):
        _fit_trivial(found, method, dataset, ways, batch_size, device, limit)
    counts = DatasetContract(dataset).counts
    for start, batch, way, inputs in _inputs(method, dataset, ways, batch_size, device, limit):
        tensors, others = _tensors(method, way, inputs, batch, dataset, found.able(way))
        fields = method.fields[way]
        new = {role: max(0, counts[field] - start) for role, field in fields.items() if field in counts}
        found.add(way, tensors, new.get("source"), others)
        for role, picture in _references(method, way, inputs, batch, dataset).items():
            if role != "target" or against is None:
                found.add_reference(way, role, picture[: new.get(role)])
    if against is not None and found.compares_sets:
        codec = DatasetContract(dataset).codecs.get(method.fields[ways[0]].get("target", "a"))
        for batch in stacked(pictures(against, limit=limit, codec=codec), batch_size):
            for way in ways:
                found.add_reference(way, "target", batch["picture"].to(device))


def _fit_trivial(
    found: Measurement,
    method: Method,
    dataset: Dataset,
    ways: tuple[str, ...],
    batch_size: int,
    device: str | torch.device,
    limit: int | None,
) -> None:
    """Fit the trivial answers to the truth, in a pass of its own: the best constant is of all pictures."""
    for _, batch, way, inputs in _inputs(method, dataset, ways, batch_size, device, limit):
        if truth_of(method, batch, way, dataset) is not None:
            found.trivial.fit(way, _tensors(method, way, inputs, batch, dataset, {}, found.trivial.within)[0])


def _inputs(
    method: Method,
    dataset: Dataset,
    ways: tuple[str, ...],
    batch_size: int,
    device: str | torch.device,
    limit: int | None,
) -> Iterator[tuple[int, dict[str, Tensor], str, dict[str, Tensor]]]:
    """Each batch of the data on the device, behind the number of its first item, with each of these directions whose
    inputs it has, and the inputs."""
    start = 0
    for batch in stacked(samples_of(dataset, limit), batch_size):
        batch = {name: tensor.to(device) for name, tensor in batch.items()}
        yield from ((start, batch, way, inputs) for way, inputs in ways_of(method, batch) if way in ways)
        start += len(next(iter(batch.values()), (None,)))  # data of no fields, as gatys has, are one item


def _has_reference(method: Method, dataset: Dataset, device: str | torch.device, roles: tuple[str, ...]) -> bool:
    """Whether these pictures have what sets of outputs are compared with."""
    return any(
        set(roles) <= _references(method, way, inputs, batch, dataset).keys()
        for _, batch, way, inputs in _inputs(method, dataset, method.directions, 1, device, 1)
    )


def _references(
    method: Method, way: str, inputs: Mapping[str, Tensor], batch: Mapping[str, Tensor], dataset: Dataset
) -> dict[str, Tensor]:
    """The real pictures of a batch: of the target's domain, and the sources."""
    field = method.fields[way].get("target", "")
    target = batch.get(field) if field in batch else truth_of(method, batch, way, dataset)
    known = {"target": target, "source": inputs.get("source")}
    return {role: picture for role, picture in known.items() if picture is not None}


def ways_of(method: Method, batch: Mapping[str, Tensor]) -> list[tuple[str, dict[str, Tensor]]]:
    """The directions whose inputs the data has, with them."""
    return [(way, inputs) for way in method.directions if (inputs := method.inputs_of(batch, way)) is not None]


def truth_of(method: Method, batch: Mapping[str, Tensor], direction: str, dataset: Dataset) -> Tensor | None:
    """The true counterpart of the source, where the data or the method's task tells."""
    translated = DatasetContract(dataset).paired and not method.stays_in_domain(direction)
    partner = batch.get(direction.split("2")[1]) if translated else None
    return method.truth_of(batch, direction) if partner is None else partner


def _tensors(
    method: Method,
    direction: str,
    inputs: Mapping[str, Tensor],
    batch: Mapping[str, Tensor],
    dataset: Dataset,
    metrics: Mapping[str, Metric],
    also: Iterable[str] = (),
) -> tuple[dict[str, Any], set[str]]:
    """What these metrics ask for and `also`, and the names of what else there is. Nothing is translated in vain."""
    mask, truth = batch.get(f"mask_{direction.split('2')[0]}"), truth_of(method, batch, direction, dataset)
    truth_mask = batch.get(f"mask_{direction}")
    if "source" in inputs and mask is not None and mask.shape[2:] != inputs["source"].shape[2:]:
        mask = None  # of the data's picture, which is not what the method is shown
    if mask is not None and truth_mask is not None and torch.equal(mask, truth_mask):
        truth_mask = None  # an outline that nothing changes tells nothing
    makers: dict[str, Any] = {  # in this order: `objects` and the like read what stands before them
        **{name: lambda value=value: value for name, value in inputs.items()},
        "mask": None if mask is None else lambda: mask,
        "truth": None if truth is None else lambda: truth,
        "truth_mask": None if truth_mask is None or mask is None else lambda: truth_mask,
        "output": lambda: method.translate(inputs, direction),
        "draw": lambda: lambda count: _draw(method, inputs, direction, count),
    }
    if mask is not None and "source" in inputs:
        makers["objects"] = lambda: mask if truth is None else true_objects(mask, inputs["source"], truth)
        makers["attention"] = lambda: method.attend(inputs, direction)
    offered = (n for n in method.tensor_names() if n not in makers and not method.unavailable(n))
    makers |= {
        name: lambda name=name: (method.tensors_of(batch, direction, (name,)) or {}).get(name) for name in offered
    }
    makers |= {name: lambda x=x: x for name, x in _fields(batch, direction).items() if name not in makers}
    may = {name for name, make in makers.items() if make is not None}
    wanted = {need for metric in metrics.values() if may.issuperset(metric.needs()) for need in metric.needs()}
    wanted |= may.intersection(also)
    wanted |= BESIDE_TRUTH & may if truth is not None else set()
    known = {name: makers[name]() for name in makers if name in wanted}
    return {name: tensor for name, tensor in known.items() if tensor is not None}, may - wanted


def _fields(batch: Mapping[str, Tensor], direction: str) -> dict[str, Tensor]:
    """The fields of the data by the names under which metrics ask for them: `body_a` is `body` where a is the source,
    `body_a2b` in that direction; what is the other side's is left out."""
    side = direction.split("2")[0]
    found: dict[str, Tensor] = {}
    for name, tensor in batch.items():
        base, _, of = name.rpartition("_")
        if base and of in ("a", "b", "a2b", "b2a"):
            found |= {base: tensor} if of in (side, direction) else {}
        else:
            found[name] = tensor
    return found


def _draw(method: Method, inputs: Mapping[str, Tensor], direction: str, count: int) -> Tensor:
    """Several outputs of each source: (N, count, C, H, W)."""
    if isinstance(method, Styled):
        return method.samples(inputs["source"], count, direction)
    return torch.stack([method.translate(inputs, direction) for _ in range(count)], 1)


def samples_of(dataset: Dataset, limit: int | None) -> Iterator[dict[str, Tensor]]:
    count = len(dataset) if limit is None else min(limit, len(dataset))
    return (dataset.item(i, torch.Generator().manual_seed(i)) for i in range(count))
