"""Which metrics: by names as of the command line, or those that are measured where nobody names any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from gankit.contracts import MetricContract
from gankit.core.catalogue import catalogue
from gankit.core.errors import Problem, RecipeError
from gankit.core.registry import BUILTIN, UnknownName
from gankit.core.schema import Spec, build_component, spec_of
from gankit.evaluation.extract import FULL_NAMES
from gankit.evaluation.metrics import Metric

FALLBACK = ("kid", "fid")
"""Where the data has no counterparts, sets are all that can be compared."""
_NETS = {"alexnet": "alex", "vgg16": "vgg", "squeezenet": "squeeze", "squeezenet1_1": "squeeze"}
_SHORT = {full: short for short, full in FULL_NAMES.items()}


def default_metrics() -> dict[str, Metric]:
    """All registered metrics that say `default = True`, with the defaults of their arguments."""
    return {e.name: e.make() for e in catalogue().entries("metric") if MetricContract(e.make).default}


def named(names: Iterable[str], protocol: str | None = None) -> dict[str, Metric]:
    """Metrics by their names: `kid`, `kid-squeezenet`, `kid-timm:resnet18`, `kid-squeezenet-random`.

    What follows the metric's own name is the backbone of its features, a model of it, and `random` for untrained
    weights. protocol: of those that have one. Raises RecipeError for an unknown name.
    """
    return built([_spec(name.strip()) for name in names if name.strip()], protocol)


def built(
    specs: Sequence[Spec], protocol: str | None = None, place: tuple[str, ...] = ("evaluate", "metrics")
) -> dict[str, Metric]:
    """Specs of metrics at a place of a recipe -> metrics, by the names of their rows. Raises BuildError."""
    metrics: dict[str, Metric] = {}
    for number, spec in enumerate(specs):
        if protocol and "protocol" in type(spec).model_fields:
            spec = spec.model_copy(update={"protocol": protocol})
        metric = build_component(spec, (*place, number))
        name = free = metric.named(spec.entry.name if spec.entry.source == BUILTIN else spec.entry.qualified)
        copies = 1
        while free in metrics:  # one metric with two settings
            copies += 1
            free = f"{name}#{copies}"
        metrics[free] = metric
    return metrics


def _spec(text: str) -> Spec:
    """The spec that a name means."""
    arguments: dict[str, Any] = {}
    try:
        entry = catalogue().find("metric", text)
    except UnknownName as unknown:
        head, dash, network = text.partition("-")
        if not dash:
            raise _error(str(unknown)) from None
        try:
            entry = catalogue().find("metric", head)
            arguments = _lpips(network) if "net" in spec_of(entry).model_fields else {"features": _backbone(network)}
        except UnknownName as e:
            raise _error(str(e)) from None
    model = spec_of(entry)
    if not arguments and (field := model.model_fields.get("features")) and field.is_required():
        raise _error(f"{text} needs the name of a network: {text}-squeezenet, {text}-timm:vit_small_patch16_224.dino")
    if "features" in arguments and "features" not in model.model_fields:
        raise _error(f"{entry.name} takes no network, so {text!r} means nothing; write `{entry.name}`")
    try:
        return model.model_validate({"type": entry.qualified, **arguments})
    except ValidationError as e:
        raise _error(f"{text}: {e.errors()[0]['msg']}") from None


def _backbone(text: str) -> dict[str, str]:
    """`timm:resnet18-random` -> what a recipe would say."""
    plain = text.removesuffix("-random")
    name, _, model = plain.partition(":")
    entry = catalogue().find("backbone", _SHORT.get(name, name))
    weights = {"weights": "random"} if plain != text else {}
    return {"type": entry.qualified, **({"model": model} if model else {}), **weights}


def _lpips(text: str) -> dict[str, str]:
    """`squeeze-random` -> what a recipe would say."""
    net = text.removesuffix("random").removesuffix("-")
    arguments = {"net": _NETS.get(net, net)} if net else {}
    return arguments | ({"weights": "random"} if text.endswith("random") else {})


def _error(message: str) -> RecipeError:
    return RecipeError(Problem(message, "metrics"))
