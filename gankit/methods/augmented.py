"""Critics behind augments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gankit.augment.base import Augment, Drawn
from gankit.methods.resolve import Conditioned
from gankit.precision import without_autocast


class Beside(NamedTuple):
    """What an augmented critic sees beside one another, see `beside`."""

    pictures: tuple[Tensor, ...]
    masks: tuple[Tensor, ...]


class Augmented:
    """Stands for a critic in a plan, for one forward of a turn: what it sees goes through augments first.

    All its calls on batches of one length get the same transforms, picture by picture: real and fake, logits and
    features, and the points of penalties.
    """

    def __init__(self, network: Any, augments: Iterable[Augment]) -> None:
        self.network, self.augments = network, tuple(augments)
        self._drawn: dict[int, list[Drawn]] = {}

    def __call__(self, picture: Tensor | Beside, *conditions: Any, **named: Any) -> Any:
        """conditions, named: what it is given besides; maps and masks of the picture's size are moved with it."""
        return self.network(*self._positional(picture, conditions), **self._named(picture, named))

    def features(self, picture: Tensor | Beside, *conditions: Any, **named: Any) -> Any:
        return self.network.features(*self._positional(picture, conditions), **self._named(picture, named))

    def heatmaps(self, picture: Tensor | Beside, *conditions: Any, **named: Any) -> Any:
        return self.network.heatmaps(*self._positional(picture, conditions), **self._named(picture, named))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def picture(self, x: Tensor) -> Tensor:
        with without_autocast(x):
            for augment, drawn in zip(self.augments, self._draws(x), strict=True):
                x = augment.picture(x, drawn)
        return x

    def mask(self, x: Tensor) -> Tensor:
        with without_autocast(x):
            for augment, drawn in zip(self.augments, self._draws(x), strict=True):
                x = augment.mask(x, drawn)
        return x

    def _positional(self, picture: Tensor | Beside, conditions: tuple[Any, ...]) -> list[Any]:
        if isinstance(picture, Tensor):
            return [self.picture(picture), *(self._condition(picture, one) for one in conditions)]
        parts = [*map(self.picture, picture.pictures), *map(self.mask, picture.masks)]
        return [torch.cat(parts, 1), *(self._condition(picture.pictures[0], one) for one in conditions)]

    def _named(self, picture: Tensor | Beside, named: Mapping[str, Any]) -> dict[str, Any]:
        whole = picture if isinstance(picture, Tensor) else picture.pictures[0]
        return {name: self._condition(whole, value) for name, value in named.items()}

    def _condition(self, picture: Tensor, value: Any) -> Any:
        """A mask or map of the picture's size, (N, C, H, W) or (N, H, W), moved; anything else as it is."""
        if not isinstance(value, Tensor) or value.ndim not in (3, 4) or value.shape[-2:] != picture.shape[-2:]:
            return value
        return self.mask(value) if value.ndim == 4 else self.mask(value[:, None])[:, 0]

    def _draws(self, x: Tensor) -> list[Drawn]:
        if len(x) not in self._drawn:
            with torch.no_grad():
                self._drawn[len(x)] = [augment.draw(len(x), x.device) for augment in self.augments]
        return self._drawn[len(x)]


def beside(network: Any, pictures: Sequence[Tensor], masks: Sequence[Tensor] = ()) -> Any:
    """The input of a network that sees these in its channels, one beside the other: pictures, then masks or maps, each
    (N, C, H, W). A network behind augments gets each as what it is."""
    if isinstance(_inner(network), Augmented):
        return Beside(tuple(pictures), tuple(masks))
    return torch.cat([*pictures, *masks], 1)


def moved_mask(network: Any, mask: Tensor) -> Tensor:
    """A mask or map (N, C, H, W) of what a network is shown, moved as the augments before it move the pictures of this
    forward; as it is where there are none."""
    inner = _inner(network)
    return inner.mask(mask) if isinstance(inner, Augmented) else mask


def _inner(network: Any) -> Any:
    return network.network if isinstance(network, Conditioned) else network
