"""`evaluate`: a method on the test split of a dataset, each figure with the protocol that made it."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from gankit.core.errors import DataError
from gankit.evaluation import choose
from gankit.evaluation.choose import default_metrics
from gankit.evaluation.files import write_whole
from gankit.evaluation.folders import pictures
from gankit.evaluation.measure import ROLES, Measurement, Reference, stacked
from gankit.evaluation.metrics import Metric, true_objects
from gankit.training.pictures import sample_grid, tiled
from gankit.training.sampling import at_rest

NOISE_SEED = 0
DRAWN = 64


def evaluate(
    method: nn.Module,
    dataset: Any,
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
) -> dict[str, Any]:
    """Measure `method` on `dataset.split("test")` in each of its directions, or in one.

    A metric is measured where the data (mask, counterpart) and the method (attention) offer the tensors that it names.
    Without `metrics` those are all that need no network of their own; where that is nothing, or where `against` names
    a folder of real pictures, KID and FID. Sets of outputs are compared with the target's test pictures (or those of
    `against`), with the source's, or with both (`reference`). `limit` takes the first pictures alone. protocol: of the
    metrics that are chosen here. asked: give the metrics that cannot be measured a row that says why. `step` and `ema`
    (averaged weights or not) are only noted in the protocol.

    Returns a JSON-able dict: `results`, a list of rows `{metric, direction, value, interval, unit, better, protocol}`,
    with `label`, `std`, `warning` or `unavailable` where there is such a thing; `interval` is the 95 % bootstrap over
    pictures, None for a single picture. A figure that is not defined (no masked pixel at all) is None. Raises
    DataError for an unknown direction or an empty folder, `GankitError` when the method returns numbers that are not
    finite.
    """
    ways = _directions(method, direction, against)
    common = {
        "split": "test",
        "seed": getattr(dataset, "seed", None),
        "against": None if against is None else str(against),
        "rounding": "8 bit",
        "weights_sha256": weights_sha256(method)[:12],
        "device": str(device),
        "step": step,
        "ema": ema,
    }
    common = {name: value for name, value in common.items() if name != "against" or value}
    origin = _device(method)
    try:
        with _at_rest(method.to(device)):

            def measure(metrics: Mapping[str, Metric], asked: bool, fetch: bool = True) -> list[dict[str, Any]]:
                found = Measurement(metrics, device, reference, asked, fetch=fetch)
                torch.manual_seed(NOISE_SEED)
                _translate_all(found, method, dataset, ways, batch_size, device, limit, against)
                return found.results(ways, common)

            rows = measure(default_metrics() if metrics is None else metrics, asked)
            if metrics is None and (
                against or (not rows and _has_reference(method, dataset, device, ROLES[reference]))
            ):
                rows += measure(choose.named(choose.FALLBACK, protocol), asked=True, fetch=against is not None)
    finally:
        method.to(origin)
    return {"results": rows}


def showcase(method: Any, dataset: Any, count: int = 4) -> Image.Image | None:
    """A grid of the first pictures of `dataset.split("test")`: source, attention, output and, where known, truth.

    Of a method that draws from noise, 64 of its pictures. The method stays on its device. None for an empty split.
    """
    rows = []
    with _at_rest(method):
        if getattr(method, "draws", False):
            return tiled(method.translate(method.draw(DRAWN)))
        for batch in stacked(_samples(dataset.split("test"), count), 1):
            batch = {name: x.to(_device(method)) for name, x in batch.items()}
            rows += [_row(method, way, inputs, batch, dataset) for way, inputs in _ways(method, batch)]
    return sample_grid(rows) if rows else None


def _row(method: Any, way: str, inputs: Mapping[str, Tensor], batch: dict[str, Tensor], dataset: Any) -> dict[str, Any]:
    """A row of `sample_grid`, of the only picture in a batch."""
    columns = {
        "source": inputs.get("source"),
        "attention": method.attend(inputs, way),
        "output": method.translate(inputs, way),
        "truth": _truth(method, batch, way, dataset),
    }
    return {"label": way} | {name: x[0] for name, x in columns.items() if x is not None}


def evaluate_run(
    run: Any,
    batch_size: int = 16,
    device: str | None = None,
    limit: int | None = None,
    *,
    metrics: Mapping[str, Metric] | None = None,
    reference: Reference | None = None,
    against: Path | None = None,
    direction: str | None = None,
    protocol: str | None = None,
) -> dict[str, Any]:
    """Measure a loaded run (`gankit.load`) on its own data, as its recipe says, and keep the results in it.

    limit: the first so many test pictures, instead of the recipe's `evaluate.samples`. metrics, reference: instead of
    the recipe's. against, direction, protocol: see `evaluate`. Writes `evaluation.json`, what `evaluate` returns, and
    `evaluation.png`, a few pictures of the test split.
    """
    dataset, method = run.dataset("test"), run.method
    device = device or str(_device(method))
    settings = run.recipe.evaluate
    chosen = metrics if metrics is not None else choose.built(settings.metrics, protocol) or None
    found = evaluate(
        method,
        dataset,
        batch_size,
        device,
        limit or settings.samples,
        metrics=chosen,
        step=getattr(run, "step", None),
        ema=getattr(run, "ema", None),
        reference=reference or settings.reference,
        against=against,
        direction=direction,
        protocol=protocol,
        asked=chosen is not None,
    )
    folder = Path(run.run_dir)
    write_whole(folder / "evaluation.json", json.dumps(found, indent=2, allow_nan=False) + "\n")
    if grid := showcase(method, dataset):
        png = io.BytesIO()
        grid.save(png, "PNG")
        write_whole(folder / "evaluation.png", png.getvalue())
    return found


def _device(method: nn.Module) -> torch.device:
    return next((p.device for p in method.parameters()), torch.device("cpu"))


@contextmanager
def _at_rest(method: Any) -> Iterator[None]:
    """Evaluation mode without gradients; methods that draw noise at test (pix2pix) draw the same each time."""
    device = _device(method)
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


def _directions(method: Any, direction: str | None, against: Path | None) -> tuple[str, ...]:
    """Those to measure: a folder of real pictures is of one domain, so that it stands for one direction's target."""
    if direction and direction not in method.directions:
        raise DataError(f"direction is one of {', '.join(method.directions)}, not '{direction}'")
    if direction:
        return (direction,)
    return tuple(method.directions[:1] if against else method.directions)


def _translate_all(
    found: Measurement,
    method: Any,
    dataset: Any,
    ways: tuple[str, ...],
    batch_size: int,
    device: str | torch.device,
    limit: int | None,
    against: Path | None,
) -> None:
    """Give a measurement all pictures of the test split, translated."""
    if not found.metrics or len(found.reasons) == len(found.metrics):
        return
    for batch in stacked(_samples(dataset.split("test"), limit), batch_size):
        batch = {name: tensor.to(device) for name, tensor in batch.items()}
        for way, inputs in _ways(method, batch):
            if way not in ways:
                continue
            tensors, others = _tensors(method, way, inputs, batch, dataset, found.able(way))
            found.add(way, tensors, _origin(inputs), others)
            for role, picture in _references(method, way, inputs, batch, dataset).items():
                if role != "target" or against is None:
                    found.add_reference(way, role, picture)
    if against is not None and found.sets:
        for batch in stacked(pictures(against, limit=limit), batch_size):
            for way in ways:
                found.add_reference(way, "target", batch["picture"].to(device))


def _has_reference(method: Any, dataset: Any, device: str | torch.device, roles: tuple[str, ...]) -> bool:
    """Whether the test split has what sets of outputs are compared with."""
    for batch in stacked(_samples(dataset.split("test"), 1), 1):
        batch = {name: tensor.to(device) for name, tensor in batch.items()}
        found = [_references(method, way, inputs, batch, dataset) for way, inputs in _ways(method, batch)]
        return any(set(roles) <= known.keys() for known in found)
    return False


def _references(
    method: Any, way: str, inputs: Mapping[str, Tensor], batch: Mapping[str, Tensor], dataset: Any
) -> dict[str, Tensor]:
    """The real pictures of a batch: of the target's domain, and the sources."""
    field = method.fields[way].get("target", "")
    target = batch.get(field) if field in batch else _truth(method, batch, way, dataset)
    known = {"target": target, "source": inputs.get("source")}
    return {role: picture for role, picture in known.items() if picture is not None}


def _ways(method: Any, batch: Mapping[str, Tensor]) -> list[tuple[str, dict[str, Tensor]]]:
    """The directions whose inputs the data has, with them."""
    return [(way, inputs) for way in method.directions if (inputs := method.inputs_of(batch, way)) is not None]


def _truth(method: Any, batch: Mapping[str, Tensor], direction: str, dataset: Any) -> Tensor | None:
    """The true counterpart of the source, where the data or the method's task tells."""
    partner = batch.get(direction.split("2")[1]) if getattr(dataset, "paired", False) else None
    return method.truth_of(batch, direction) if partner is None else partner


def _tensors(
    method: Any,
    direction: str,
    inputs: Mapping[str, Tensor],
    batch: Mapping[str, Tensor],
    dataset: Any,
    metrics: Mapping[str, Metric],
) -> tuple[dict[str, Any], set[str]]:
    """What these metrics ask for, and the names of what else there is. Nothing is translated in vain."""
    mask, truth = batch.get(f"mask_{direction.split('2')[0]}"), _truth(method, batch, direction, dataset)
    makers: dict[str, Any] = {  # in this order: `objects` and the like read what stands before them
        **{name: lambda value=value: value for name, value in inputs.items()},
        "mask": None if mask is None else lambda: mask,
        "truth": None if truth is None else lambda: truth,
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
    may = {name for name, make in makers.items() if make is not None}
    wanted = {need for metric in metrics.values() if may.issuperset(metric.needs()) for need in metric.needs()}
    known = {name: makers[name]() for name in makers if name in wanted}
    return {name: tensor for name, tensor in known.items() if tensor is not None}, may - wanted


def _origin(inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """What an output was made from: a source, whatever style was drawn for it; else all of it."""
    return {"source": inputs["source"]} if "source" in inputs else inputs


def _draw(method: Any, inputs: Mapping[str, Tensor], direction: str, count: int) -> Tensor:
    """Several outputs of each source: (N, count, C, H, W)."""
    if hasattr(method, "samples"):
        return method.samples(inputs["source"], count, direction)
    return torch.stack([method.translate(inputs, direction) for _ in range(count)], 1)


def _samples(dataset: Any, limit: int | None) -> Iterator[dict[str, Tensor]]:
    count = len(dataset) if limit is None else min(limit, len(dataset))
    return (dataset.item(i, torch.Generator().manual_seed(i)) for i in range(count))
