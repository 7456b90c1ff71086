"""What a paper trains: its networks, the named tensors that it offers, and whose turn it is.

A method offers tensors as methods marked `@tensor`. An argument's name is what the function needs, as with pytest's
fixtures: a network by its role (`generator`), a picture of the batch (`source`, `target`), or another tensor. The
prefix `back_` means "the same in the other direction". Losses ask the same way, so that any loss whose tensors a method
offers can be added to it in the recipe alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from gankit.methods.sizes import fit, stretch
from gankit.slots import Translated

F = TypeVar("F", bound=Callable[..., Any])


def tensor(function: F) -> F:
    """Mark a method's function as an offered tensor; its name is the tensor's."""
    function.__offers_tensor__ = True  # type: ignore[attr-defined]
    return function


@dataclass(frozen=True)
class Turn:
    """One player's update.

    name: unique in its method. side: `generator`, or the name of the losses' other side, `discriminator`.
    roles: the networks that it trains, in these directions (None: all of the method's). every: it plays at each
    `every`-th step only.
    """

    name: str
    side: str
    roles: tuple[str, ...]
    directions: tuple[str, ...] | None = None
    every: int = 1


def image_of(translated: Tensor | tuple) -> Tensor:
    """The picture of what a generator returned: itself, or the first field of its named tuple."""
    return translated[0] if isinstance(translated, tuple) else translated


class Method(nn.Module):
    """Base of all methods. Subclasses fill `self.networks` under `role_direction` and offer tensors.

    Attributes
    ----------
    directions: the translations, e.g. `("a2b", "b2a")`. `network("generator", "a2b")` makes pictures of b from
        pictures of a; `network("discriminator", "a2b")` judges its results, hence pictures of b.
    fields: for each direction, which field of the batch stands behind `source`, `target`, ...
    carried: the tensors that a critic takes from the generator's forward: detached, and through the image pool.

    Pictures are float tensors (N, C, H, W) in [-1, 1].
    """

    directions: ClassVar[tuple[str, ...]] = ("a2b", "b2a")
    fields: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "a2b": {"source": "a", "target": "b"},
        "b2a": {"source": "b", "target": "a"},
    }
    carried: ClassVar[tuple[str, ...]] = ("output",)
    result: ClassVar[str] = "output"  # the tensor that `translate` returns

    def __init__(self) -> None:
        super().__init__()
        self.networks = nn.ModuleDict()

    # -- what subclasses say -------------------------------------------------------------------------------------
    def turns(self) -> list[Turn]:
        """The turns of one step, in the paper's order."""
        raise NotImplementedError

    def set_epoch(self, epoch: int) -> None:
        """Called when an epoch (counted from 0) begins: the place for phases, such as AGIT's."""

    def unavailable(self, name: str) -> str | None:
        """Why an offered tensor cannot be had with the networks at hand, and what to do; None when it can."""
        del name
        return None

    # -- networks --------------------------------------------------------------------------------------------------
    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(key.rsplit("_", 1)[0] for key in self.networks))

    def network(self, role: str, direction: str) -> nn.Module:
        return self.networks[f"{role}_{direction}"]

    def add(self, role: str, direction: str, network: nn.Module) -> None:
        self.networks[f"{role}_{direction}"] = network

    def back(self, direction: str) -> str | None:
        """The opposite direction, or None in a one-way method."""
        return next((d for d in self.directions if d != direction), None)

    def trained_by(self, turn: Turn) -> list[str]:
        """Keys of the networks that a turn trains."""
        return [f"{role}_{d}" for d in turn.directions or self.directions for role in turn.roles]

    @classmethod
    def tensor_names(cls) -> tuple[str, ...]:
        return tuple(n for n in dir(cls) if getattr(getattr(cls, n), "__offers_tensor__", False))

    # -- use -------------------------------------------------------------------------------------------------------
    @torch.no_grad()
    def infer(self, source: Tensor, names: tuple[str, ...], direction: str = "a2b") -> list[Tensor | None]:
        """Evaluate offered tensors that depend on the source picture alone, at any size.

        source: (N, C, H, W) in [-1, 1]. The picture is padded by reflection to what the networks accept, and
        the results are cropped back (maps are first brought to the picture's size). Networks of one fixed size get
        the picture stretched to it, and the results are stretched back. A tensor that this method cannot give is None.
        """
        from gankit.methods.plan import evaluate

        if direction not in self.directions:
            raise ValueError(f"direction is one of {', '.join(self.directions)}, not '{direction}'")
        side = self.fixed_size
        fitted, back = stretch(source, side) if side else fit(source, self.size_multiple, self.min_size)
        known = [n for n in names if n in self.tensor_names() and not self.unavailable(n)]
        values = evaluate(self, direction, {self.fields[direction]["source"]: fitted}, known)
        return [back(values[name]) if name in values else None for name in names]

    def translate(self, source: Tensor, direction: str = "a2b") -> Tensor:
        """(N, C, H, W) in [-1, 1] of any size -> the translated picture of the same size, in [-1, 1]."""
        image = self.infer(source, (self.result,), direction)[0]
        assert image is not None
        return image

    def attend(self, source: Tensor, direction: str = "a2b") -> Tensor | None:
        """(N, C, H, W) -> the attention map (N, 1, H, W) in [0, 1] on the source, or None."""
        return self.infer(source, ("attention",), direction)[0]

    @property
    def size_multiple(self) -> int:
        return max((getattr(n, "size_multiple", 1) for n in self.networks.values()), default=1)

    @property
    def min_size(self) -> int:
        """The smallest side that can be translated (critics may need more in training)."""
        makers = {key for turn in self.turns() if turn.side == "generator" for key in self.trained_by(turn)}
        return max((getattr(self.networks[key], "min_size", 1) for key in makers), default=1)

    @property
    def fixed_size(self) -> int | None:
        """The one side that a network accepts, where it is so: U-GAT-IT's full generator."""
        return next((side for n in self.networks.values() if (side := getattr(n, "fixed_size", None))), None)


class Translation(Method):
    """The tensors that every method with a generator and a target has, with or without an attention head."""

    @tensor
    def translated(self, generator: nn.Module, source: Tensor) -> Tensor | Translated:
        """What the generator returns for the source."""
        return generator(source)

    @tensor
    def output(self, translated: Tensor | Translated) -> Tensor:
        """The translation of the source, (N, C, H, W)."""
        return image_of(translated)

    @tensor
    def attention(self, translated: Translated) -> Tensor | None:
        """The map of the generator's attention head on the source, (N, 1, h, w)."""
        return translated.attention

    @tensor
    def logits(self, translated: Translated) -> Tensor | None:
        """The logits of the generator's attention head on the source."""
        return translated.logits

    @tensor
    def fake_logits(self, discriminator: nn.Module, output: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The critic on the translation."""
        return discriminator(output)

    @tensor
    def real_logits(self, discriminator: nn.Module, target: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The critic on real pictures."""
        return discriminator(target)

    def unavailable(self, name: str) -> str | None:
        field = name.removeprefix("identity_")
        if field in ("attention", "logits"):
            generator = self.network("generator", self.directions[0])
            if field not in getattr(generator, "offers", ()):
                return (
                    f"its generator has no attention head that gives {field}: set method.generator.attention"
                    f"{' to cam' if field == 'logits' else ''}"
                )
        return None


class TwoWayTranslation(Translation):
    """Two translations that are each other's inverse: adds the cycle and the identity."""

    @tensor
    def reconstruction(self, back_generator: nn.Module, output: Tensor) -> Tensor:
        """The translation brought back to the source's domain."""
        return image_of(back_generator(output))

    @tensor
    def retained(self, generator: nn.Module, target: Tensor) -> Tensor | Translated:
        """What the generator returns for a picture that is in its own domain already."""
        return generator(target)

    @tensor
    def identity(self, retained: Tensor | Translated) -> Tensor:
        """The generator's picture for the target, which it should leave unchanged."""
        return image_of(retained)

    @tensor
    def identity_logits(self, retained: Translated) -> Tensor | None:
        """The logits of the generator's attention head on the target."""
        return retained.logits
