"""Two folders of pictures against each other, without any run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from gankit.codecs.base import Codec
from gankit.codecs.image import Image8
from gankit.codecs.images import image_size
from gankit.core.errors import DataError
from gankit.data.images import list_images
from gankit.evaluation import choose
from gankit.evaluation.measure import PRECISION, Measurement, Reference, stacked
from gankit.evaluation.metrics import Metric
from gankit.evaluation.results import Evaluation
from gankit.precision import float32_products


def evaluate_folders(
    outputs: Path,
    against: Path,
    metrics: Mapping[str, Metric] | None = None,
    batch_size: int = 16,
    device: str | torch.device = "cpu",
    limit: int | None = None,
    protocol: str | None = None,
    reference: Reference = "target",
) -> Evaluation:
    """Measure the pictures of a folder against those of another.

    Sets are compared as they are. Pictures are pairs where every output has a counterpart of its name (extensions and
    capitals do not count) and of its size; only then PSNR and the like can be measured. Without `metrics`: KID, FID,
    and for pairs all that need no network. limit: only the first N pictures of each folder.

    Returns what `gankit.evaluation.evaluate.evaluate` does, with the direction "". Raises DataError for a folder that
    is missing or holds no picture, for a broken picture, and for a reference other than the target, which is `against`.
    """
    if reference != "target":
        raise DataError(f"two folders have no source: --reference {reference} is for runs")
    ours, theirs = list_images(outputs)[:limit], list_images(against)[:limit]
    partners, why = pairs(outputs, ours, against, theirs if limit is None else list_images(against))
    asked = metrics is not None
    if metrics is None:
        paired = {name: m for name, m in choose.default_metrics().items() if set(m.needs()) <= {"output", "truth"}}
        metrics = {**choose.named(choose.FALLBACK, protocol), **(paired if partners else {})}
    measurement = Measurement(metrics, device, "target", asked, {"truth": why, **_RUNS_ONLY})
    common = {"outputs": str(outputs), "against": str(against), "rounding": "8 bit"}
    common |= {"device": str(device), "precision": PRECISION}
    with float32_products(torch.device(device)):
        if len(measurement.reasons) < len(measurement.metrics):
            for batch in stacked(pictures(outputs, ours, partners), batch_size):
                tensors = {"output": batch["picture"], **({"truth": batch["truth"]} if partners else {})}
                measurement.add("", {name: x.to(device) for name, x in tensors.items()})
            if measurement.compares_sets:
                for batch in stacked(pictures(against, theirs), batch_size):
                    measurement.add_reference("", "target", batch["picture"].to(device))
        return measurement.results([""], common)


_RUNS_ONLY = {
    name: f"{name} can be measured on runs only, and these are two folders of pictures"
    for name in ("source", "attention", "mask", "objects", "draw")
}


def pictures(
    folder: Path,
    paths: list[Path] | None = None,
    partners: Mapping[Path, Path] | None = None,
    limit: int | None = None,
    codec: Codec | None = None,
) -> Iterator[dict[str, Tensor]]:
    """The pictures of a folder in [-1, 1], one after the other as `picture`, with their counterparts as `truth`: as
    RGB, or as a codec reads them."""
    codec = codec or Image8()
    for path in (list_images(folder, codec.extensions) if paths is None else paths)[:limit]:
        sample = {"picture": codec.read(path)}
        if partners:
            sample["truth"] = codec.read(partners[path])
        yield sample


def pairs(outputs: Path, ours: list[Path], against: Path, theirs: list[Path]) -> tuple[dict[Path, Path], str]:
    """Output -> its counterpart, or nothing and why the pictures are no pairs."""
    named = {_name(path, against): path for path in theirs}
    partners = {path: named[name] for path in ours if (name := _name(path, outputs)) in named}
    if len(partners) < len(ours):
        lone = next(path for path in ours if path not in partners)
        lacking = f"{len(ours) - len(partners)} of {len(ours)}"
        return {}, f"{lacking} pictures of {outputs} have no counterpart of that name in {against}, such as {lone.name}"
    if len(named) < len(theirs) or len(set(partners.values())) < len(partners):
        return {}, "several pictures have one name, so that the pairs are not known"
    for path, partner in partners.items():
        if image_size(path) != image_size(partner):
            (h, w), (y, x) = image_size(path), image_size(partner)
            return {}, f"{path} has {w} x {h} px, but its counterpart {partner} has {x} x {y}"
    return partners, ""


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder.expanduser()).with_suffix("")).casefold()
