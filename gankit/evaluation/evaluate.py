"""`evaluate`: a method on the test split of a dataset, each figure with the protocol that made it."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from gankit.core.errors import GankitError
from gankit.core.registry import components
from gankit.core.schema import build_component
from gankit.evaluation.files import write_whole
from gankit.evaluation.metrics import Metric, true_objects
from gankit.training.pictures import sample_grid
from gankit.training.sampling import at_rest

RESAMPLES, BOOTSTRAP_SEED, NOISE_SEED = 1000, 0, 0


def default_metrics() -> dict[str, Metric]:
    """All registered metrics with their defaults."""
    return {entry.name: entry.make() for entry in components().entries("metric")}


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
) -> dict[str, Any]:
    """Measure `method` on `dataset.split("test")` in each of its directions.

    A metric is measured where the data (mask, counterpart) and the method (attention) offer the tensors that it names;
    without a mask or a counterpart nothing can be measured and `results` is empty. `limit` takes the first pictures
    alone. `step` and `ema` (averaged weights or not) are only noted in the protocol.

    Returns a JSON-able dict: `results`, a list of rows `{metric, direction, value, interval, unit, better, protocol}`;
    `interval` is the 95 % percentile bootstrap over pictures (1000 resamples, seed 0), None for a single picture.
    A figure that is not defined (no masked pixel at all) is None. Raises `GankitError` when the method returns numbers
    that are not finite.
    """
    metrics = default_metrics() if metrics is None else metrics
    common = {
        "split": "test",
        "seed": getattr(dataset, "seed", None),
        "rounding": "8 bit",
        "weights_sha256": weights_sha256(method)[:12],
        "device": str(device),
        "step": step,
        "ema": ema,
    }
    origin = _device(method)
    try:
        with _at_rest(method.to(device)):
            rows = _statistics(method, dataset, metrics, batch_size, device, limit)
    finally:
        method.to(origin)
    return {"results": [_result(name, metrics[name], way, values, common) for (name, way), values in rows.items()]}


def showcase(method: Any, dataset: Any, count: int = 4) -> Image.Image | None:
    """A grid of the first pictures of `dataset.split("test")`: source, attention, output and, where known, truth.

    The method stays on its device. None for an empty split.
    """
    rows = []
    with _at_rest(method):
        for batch in _batches(dataset.split("test"), 1, count):
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


def evaluate_run(run: Any, batch_size: int = 16, device: str | None = None, limit: int | None = None) -> dict[str, Any]:
    """Measure a loaded run (`gankit.load`) on its own data, as its recipe says, and keep the results in it.

    limit: the first so many test pictures, instead of the recipe's `evaluate.samples`. Writes `evaluation.json`, what
    `evaluate` returns, and `evaluation.png`, a few pictures of the test split.
    """
    dataset, method = run.dataset("test"), run.method
    device = device or str(_device(method))
    step, ema = getattr(run, "step", None), getattr(run, "ema", None)
    settings = run.recipe.evaluate
    metrics = {spec.entry.name: build_component(spec) for spec in settings.metrics} or None
    found = evaluate(
        method, dataset, batch_size, device, limit or settings.samples, metrics=metrics, step=step, ema=ema
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


def bootstrap(metric: Metric, statistics: Tensor) -> list[float | None] | None:
    """The 95 % percentile interval of a metric over resampled pictures; statistics: (N, K). None for N < 2."""
    count = len(statistics)
    if count < 2:
        return None
    generator = torch.Generator().manual_seed(BOOTSTRAP_SEED)
    figures = [
        metric.summarise(statistics[torch.randint(count, (count,), generator=generator)]) for _ in range(RESAMPLES)
    ]
    low, high = torch.stack(figures).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return [_number(low), _number(high)]


def _statistics(
    method: Any,
    dataset: Any,
    metrics: Mapping[str, Metric],
    batch_size: int,
    device: str | torch.device,
    limit: int | None,
) -> dict[tuple[str, str], Tensor]:
    """(metric, direction) -> (N, K), in the order of the metrics, then of the directions."""
    found: dict[tuple[str, str], list[Tensor]] = defaultdict(list)
    for batch in _batches(dataset.split("test"), batch_size, limit):
        batch = {name: tensor.to(device) for name, tensor in batch.items()}
        for way, inputs in _ways(method, batch):
            mask, truth = batch.get(f"mask_{way.split('2')[0]}"), _truth(method, batch, way, dataset)
            tensors = _tensors(method, way, inputs, mask, truth)
            for name, metric in metrics.items():
                if set(metric.needs()) <= tensors.keys():
                    values = metric.statistics(*(tensors[need] for need in metric.needs()))
                    found[name, way].append(values.cpu())
    order = [(name, way) for name in metrics for way in method.directions]
    return {key: torch.cat(found[key]) for key in order if key in found}


def _ways(method: Any, batch: Mapping[str, Tensor]) -> list[tuple[str, dict[str, Tensor]]]:
    """The directions whose inputs the data has, with them."""
    return [(way, inputs) for way in method.directions if (inputs := method.inputs_of(batch, way)) is not None]


def _truth(method: Any, batch: Mapping[str, Tensor], direction: str, dataset: Any) -> Tensor | None:
    """The true counterpart of the source, where the data or the method's task tells."""
    partner = batch.get(direction.split("2")[1]) if getattr(dataset, "paired", False) else None
    return method.truth_of(batch, direction) if partner is None else partner


def _tensors(
    method: Any, direction: str, inputs: Mapping[str, Tensor], mask: Tensor | None, truth: Tensor | None
) -> dict[str, Tensor]:
    """What the metrics may ask for; what the data or the method lack is left out."""
    if mask is None and truth is None:
        return {}
    known = {**inputs, "mask": mask, "truth": truth, "output": method.translate(inputs, direction)}
    if mask is not None and "source" in inputs:
        known["objects"] = mask if truth is None else true_objects(mask, inputs["source"], truth)
        known["attention"] = method.attend(inputs, direction)
    for name in ("output", "attention"):
        tensor = known.get(name)
        if tensor is not None and not bool(tensor.isfinite().all()):
            raise GankitError(
                f"the {name} of {direction} holds NaN or infinite values, so it cannot be measured; "
                "take an earlier checkpoint or train again with a smaller learning rate"
            )
    return {name: tensor for name, tensor in known.items() if tensor is not None}


def _batches(samples: Any, size: int, limit: int | None) -> Iterator[dict[str, Tensor]]:
    """Consecutive samples of equal shapes, stacked; pictures of other sizes start another batch."""
    count = len(samples) if limit is None else min(limit, len(samples))
    items = (samples.item(i, torch.Generator().manual_seed(i)) for i in range(count))
    tensors = ({name: x for name, x in item.items() if isinstance(x, Tensor)} for item in items)
    for _, group in itertools.groupby(tensors, lambda sample: {name: x.shape for name, x in sample.items()}):
        while chunk := list(itertools.islice(group, size)):
            yield {name: torch.stack([sample[name] for sample in chunk]) for name in chunk[0]}


def _result(name: str, metric: Metric, direction: str, statistics: Tensor, common: dict[str, Any]) -> dict[str, Any]:
    return {
        "metric": name,
        "direction": direction,
        "value": _number(float(metric.summarise(statistics))),
        "interval": bootstrap(metric, statistics),
        "unit": metric.unit,
        "better": metric.better,
        "protocol": {"metric": name, "direction": direction, "n": len(statistics), **metric.protocol(), **common},
    }


def _number(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else None
