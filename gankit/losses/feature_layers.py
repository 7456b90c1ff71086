"""Which layers of a backbone a loss compares, and how much each counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from torch import Tensor

from gankit.contracts import BackboneContract
from gankit.features import FeatureNet
from gankit.precision import full
from gankit.slots import Gt

Layers = list[str | int] | dict[str, Annotated[float, Gt(0)]] | None
"""Names of layers, each of weight 1; or a weight for each name; or None, what the backbone is usually used with."""
Distance = Literal["l1", "l2"]


def open_layers(
    backbone: Callable[..., Any], layers: Sequence[str | int] | Mapping[str, float] | None, purpose: str
) -> tuple[FeatureNet, dict[str, float]]:
    """Make a backbone as deep as is needed; return it with the weights of its layers.

    purpose: `content` or `style`: which of the suggested layers to take when none are given. Raises ValueError for no
    layers at all, and for those that the backbone does not have.
    """
    if layers is None:
        usual = suggested(backbone, purpose)
        net = backbone(usual)
        return net, dict.fromkeys(usual or net.default_layers, 1.0)
    if not layers:
        raise ValueError("`layers` is empty: name at least one, or leave it out for the usual ones")
    weights = dict(layers) if isinstance(layers, Mapping) else {str(name): 1.0 for name in layers}
    return backbone(tuple(weights)), weights


def suggested(backbone: Callable[..., Any], purpose: str) -> tuple[str, ...]:
    return BackboneContract(backbone).suggested.get(purpose, ())


def distance(kind: Distance, first: Tensor, second: Tensor) -> Tensor:
    """Element by element, |x| or x^2 of the difference, in full precision."""
    difference = full(first) - full(second)
    return difference.abs() if kind == "l1" else difference.square()
