"""What a paper trains: its networks, the named tensors that it offers, and whose turn it is.

A method offers tensors as methods marked `@tensor`. An argument's name is what the function needs, as with pytest's
fixtures: a network by its role (`generator`), a picture of the batch (`source`, `target`), or another tensor. The
prefix `back_` means "the same in the other direction". Losses ask the same way, so that any loss whose tensors a method
offers can be added to it by changing only the recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from gankit.conditions import takes_of
from gankit.contracts import DiscriminatorContract, GeneratorContract
from gankit.core.errors import BuildError
from gankit.fields import Field
from gankit.methods.augmented import beside, moved_mask
from gankit.methods.joined import applies
from gankit.methods.marks import OFFERS, is_marked, marked
from gankit.methods.resolve import Resolver, compute
from gankit.methods.sizes import fit, stretch
from gankit.precision import float32_products
from gankit.slots import Translated

F = TypeVar("F", bound=Callable[..., Any])


def tensor(function: F) -> F:
    """Mark a method's function as an offered tensor; its name is the tensor's."""
    return marked(function, OFFERS)


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
    fields: for each direction, which field of the batch is called `source`, `target`, ...
    takes: what these fields are, by their names in the batch, as `{"a": Picture(3), "mask": Mask(of="a")}`; beside
        them, by its own name, an input of a translation that training makes of them. The constructor sets it.
    carried: the tensors that a critic takes from the generator's forward: detached, and through the image pool.
    inputs: the tensors that `translate` must be given; the others follow from them. A translation's is the `source`.
    optional: those that it may be given.
    result: the tensor that `translate` returns. truth: the tensor that the result should equal, where there is one.
    scale: how many times larger than the source the result is.
    untranslatable: why it translates no picture, and what to do instead; empty where it does.
    shares_forward: whether a critic that plays first looks at the very fakes of the generator's turn, made once for
        both; otherwise they are made for it alone, with noise of their own.

    Pictures are float tensors (N, C, H, W) in [-1, 1].
    """

    directions: ClassVar[tuple[str, ...]] = ("a2b", "b2a")
    fields: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "a2b": {"source": "a", "target": "b"},
        "b2a": {"source": "b", "target": "a"},
    }
    carried: ClassVar[tuple[str, ...]] = ("output",)
    inputs: ClassVar[tuple[str, ...]] = ("source",)
    optional: ClassVar[tuple[str, ...]] = ()
    takes: Mapping[str, Field] = MappingProxyType({})
    result: ClassVar[str] = "output"
    truth: ClassVar[str | None] = None
    scale: int = 1
    shares_forward: bool = True
    untranslatable: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self.networks = nn.ModuleDict()

    # -- what subclasses say -------------------------------------------------------------------------------------
    def turns(self) -> list[Turn]:
        """The turns of one step, in the paper's order."""
        raise NotImplementedError

    def set_epoch(self, epoch: int) -> None:
        """Called when an epoch (counted from 0) begins: the place for phases, such as AGIT's."""

    @property
    def phase(self) -> Hashable:
        """What `set_epoch` has decided, in a form that can be compared: recorded steps are recorded anew when it
        changes. Needed by `train.cuda_graph` of methods that have a `set_epoch`."""
        return None

    def unavailable(self, name: str) -> str | None:
        """Why an offered tensor cannot be had with the networks at hand, and what to do; None when it can."""
        del name
        return None

    @property
    def sources(self) -> Mapping[str, Sequence[Path]]:
        """The files that `prepare` reads, by what they are."""
        return {}

    def prepare(self) -> None:
        """Read what training needs besides the batches, such as the picture of a style; called before it begins.

        Raises BuildError at the method's parameter.
        """

    def draw(self, count: int, generator: torch.Generator | None = None) -> dict[str, Tensor] | None:
        """The inputs of `count` pictures that come from chance alone (`gan`), drawn from `generator`, or from torch's
        global one; None for methods that translate."""
        del count, generator
        return None

    @property
    def draws(self) -> bool:
        """Whether its pictures come from chance alone: there is nothing to translate."""
        return type(self).draw is not Method.draw

    def product(self) -> Tensor | None:
        """The picture (C, H, W) in [-1, 1] that a training itself makes, where it is not a network (`gatys`)."""

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

    @property
    def device(self) -> torch.device:
        """Where its networks lie; the CPU for a method without parameters."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def trained_by(self, turn: Turn) -> list[str]:
        """Keys of the networks that a turn trains."""
        return [f"{role}_{d}" for d in turn.directions or self.directions for role in turn.roles]

    def kind_of(self, field: str) -> Field:
        """What a field of the batch, or an input by its own name, is. Raises BuildError where nothing declares it."""
        if (kind := self.takes.get(field)) is not None:
            return kind
        domains = {domain for names in self.fields.values() for domain in names.values()}
        for network in self.networks.values():
            for name, kind in takes_of(network).items():
                if field in (name, *(f"{name}_{domain}" for domain in domains)):
                    return kind
        raise BuildError((), f"{type(self).__name__} does not say in its `takes` what `{field}` is")

    def needs(self, direction: str) -> dict[str, Field]:
        """What a translation must be given, by name: {"source": Picture(3), "label": Label(5)}.

        The conditions that its networks want are among them. Empty for methods that draw their inputs.
        """
        if self.draws:
            return {}
        names = self.fields[direction]
        own = {name: self.kind_of(names.get(name, name)) for name in self.inputs}
        return own | {name: self.kind_of(field) for name, field in self.conditions(direction).items()}

    def conditions(self, direction: str) -> dict[str, str]:
        """The conditions that the networks of a translation want, and the fields of the batch that hold them."""
        resolver = Resolver(self, (), (*self.inputs, *self.optional))
        resolver.resolve(self.result, direction)
        return resolver.conditions

    @classmethod
    def tensor_names(cls) -> tuple[str, ...]:
        return tuple(n for n in dir(cls) if is_marked(getattr(cls, n), OFFERS))

    # -- use -------------------------------------------------------------------------------------------------------
    @torch.no_grad()
    def infer(
        self, inputs: Tensor | Mapping[str, Tensor], names: tuple[str, ...], direction: str = "a2b"
    ) -> list[Tensor | None]:
        """Evaluate offered tensors that depend only on the inputs, at any size.

        inputs: the source, (N, C, H, W) in [-1, 1]; or tensors by name: those of `self.inputs`, and any others that are
        not to be computed (a style, say). Those of the source's size are padded by reflection to what the
        networks accept, and the results are cropped back (maps are first brought to the picture's size). Networks of
        one fixed size get the picture stretched to it, and the results are stretched back. A tensor that this method
        cannot give is None. Raises ValueError for an unknown direction, or a missing input.
        """
        if direction not in self.directions:
            raise ValueError(f"direction must be one of {', '.join(self.directions)}, not '{direction}'")
        tensors = {"source": inputs} if isinstance(inputs, Tensor) else dict(inputs)
        wanted = [*self.inputs, *self.conditions(direction)]
        if missing := [name for name in wanted if name not in tensors]:
            raise ValueError(f"a translation needs {' and '.join(wanted)}; {' and '.join(missing)} is missing")
        known = [n for n in names if n in self.tensor_names() and not self.unavailable(n)]
        back = None
        if (source := tensors.get("source")) is not None:
            for name, value in tensors.items():
                if value.ndim == 4 and value.shape[-2:] == source.shape[-2:]:
                    tensors[name], undo = self.fit(value)
                    back = undo if name == "source" else back
        with float32_products(self.device):
            values = compute(self, direction, {}, known, tensors)
        results = [values.get(name) for name in names]
        return [back(value) if back and value is not None else value for value in results]

    def fit(self, picture: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """A picture of any size as the networks accept it, and the way back for what they make of it."""
        if side := self.fixed_size:
            return stretch(picture, side)
        return fit(picture, self.size_multiple, self.min_size, self.scale)

    def inputs_of(self, batch: Mapping[str, Tensor], direction: str = "a2b") -> dict[str, Tensor] | None:
        """The inputs of a translation, taken or made from a batch; None where the batch lacks a field for that."""
        inputs, conditions = self.tensors_of(batch, direction, self.inputs), self.conditions(direction)
        if inputs is None or not batch.keys() >= set(conditions.values()):
            return None
        return inputs | {name: batch[field] for name, field in conditions.items()}

    @torch.no_grad()
    def tensors_of(
        self,
        batch: Mapping[str, Tensor],
        direction: str,
        names: tuple[str, ...],
        known: Mapping[str, Any] = MappingProxyType({}),
    ) -> dict[str, Any] | None:
        """Tensors computed from a batch, and from others that are known; None where it lacks a field for that."""
        try:
            return compute(self, direction, batch, names, known)
        except KeyError:  # batch:FIELD
            return None

    def stays_in_domain(self, direction: str = "a2b") -> bool:
        """Whether the result should be a picture of the source's own domain, as where a hole is filled: what the data
        says of a counterpart in another domain is not meant then."""
        return self.truth is not None and self.fields[direction].get("target") == direction.split("2")[0]

    def truth_of(self, batch: Mapping[str, Tensor], direction: str = "a2b") -> Tensor | None:
        """What the result should be, where the batch or this method's task tells."""
        truth = None if self.stays_in_domain(direction) else batch.get(f"truth_{direction}")
        if truth is not None or self.truth is None:
            return truth
        return (self.tensors_of(batch, direction, (self.truth,)) or {}).get(self.truth)

    def translate(self, source: Tensor | Mapping[str, Tensor], direction: str = "a2b") -> Tensor:
        """(N, C, H, W) in [-1, 1] of any size -> the translated picture of the same size, in [-1, 1].

        source: the picture, or the inputs by name where a method needs more than it (see `infer`). The result is
        `scale` times as large.
        """
        image = self.infer(source, (self.result,), direction)[0]
        assert image is not None
        return image.clamp(-1, 1)  # some generators overshoot

    def attend(self, source: Tensor | Mapping[str, Tensor], direction: str = "a2b") -> Tensor | None:
        """The attention map (N, 1, H, W) in [0, 1] on the source, or None."""
        return self.infer(source, ("attention",), direction)[0]

    @property
    def size_multiple(self) -> int:
        return max((GeneratorContract(n).size_multiple for n in self.networks.values()), default=1)

    @property
    def min_size(self) -> int:
        """The smallest side that can be translated (critics may need more in training)."""
        return max((GeneratorContract(network).min_size for network in self._makers()), default=1)

    @property
    def fixed_size(self) -> int | None:
        """The one side that a generator accepts, or makes, where it is so: U-GAT-IT's full one, DCGAN's."""
        return next((side for network in self._makers() if (side := GeneratorContract(network).fixed_size)), None)

    def _makers(self) -> list[nn.Module]:
        """The networks of the generators' turns."""
        keys = {key for turn in self.turns() if turn.side == "generator" for key in self.trained_by(turn)}
        return [self.networks[key] for key in self.networks if key in keys]


class Critic:
    """A discriminator as a function of the picture alone. see: picture -> what the discriminator takes: one picture, or
    several that stand beside one another in its channels."""

    def __init__(self, discriminator: nn.Module, see: Callable[[Tensor], Tensor | tuple[Tensor, ...]]) -> None:
        self.discriminator, self.see = discriminator, see

    def __call__(self, picture: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self.discriminator(self._seen(picture))

    def features(self, picture: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        features: Any = self.discriminator.features
        return features(self._seen(picture))

    def heatmaps(self, picture: Tensor) -> Tensor:
        heatmaps: Any = self.discriminator.heatmaps
        return heatmaps(self._seen(picture))

    def mask(self, mask: Tensor) -> Tensor:
        """A mask of a picture, (N, C, H, W), moved as augments move the picture on its way to the discriminator."""
        return moved_mask(self.discriminator, mask)

    def _seen(self, picture: Tensor) -> Any:
        seen = self.see(picture)
        return beside(self.discriminator, (seen,) if isinstance(seen, Tensor) else seen)


class Translation(Method):
    """The tensors that every method with a generator and a target has, with or without an attention head."""

    @tensor
    @applies
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
    def critic(self, discriminator: nn.Module) -> Callable[[Tensor], Tensor | tuple[Tensor, ...]]:
        """The discriminator as a function of only the picture, for penalties on its gradient."""
        return discriminator

    @tensor
    @applies
    def fake_logits(self, critic: Callable, output: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The critic on the translation."""
        return critic(output)

    @tensor
    @applies
    def real_logits(self, critic: Callable, target: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The critic on real pictures."""
        return critic(target)

    @tensor
    def fake_features(self, critic: Any, output: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        """What the layers of the critics see in the translation, (N, C, h, w) each."""
        return critic.features(output)

    @tensor
    def real_features(self, critic: Any, target: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        """What the layers of the critics see in real pictures, (N, C, h, w) each."""
        return critic.features(target)

    @tensor
    def fake_heatmaps(self, critic: Any, output: Tensor) -> Tensor:
        """Where the critics look in the translation, (N, K, H, W) in [0, 1]: a map for each."""
        return critic.heatmaps(output)

    @tensor
    def real_heatmaps(self, critic: Any, target: Tensor) -> Tensor:
        """Where the critics look in real pictures, (N, K, H, W) in [0, 1]: a map for each."""
        return critic.heatmaps(target)

    def unavailable(self, name: str) -> str | None:
        if name in ("fake_features", "real_features"):
            return self._without_features()
        if name in ("fake_heatmaps", "real_heatmaps"):
            return self._without_heatmaps()
        field = name.removeprefix("identity_")
        if field in ("attention", "logits"):
            generator = self.network("generator", self.directions[0])
            if field not in GeneratorContract(generator).offers:
                return (
                    f"its generator has no attention head that gives {field}: set method.generator.attention"
                    f"{' to cam' if field == 'logits' else ''}"
                )
        return None

    def _without_features(self) -> str | None:
        if "discriminator" not in self.roles:
            return "it has no discriminator"
        if not DiscriminatorContract(self.network("discriminator", self.directions[0])).gives_features:
            return "its discriminator gives no features: set method.discriminator to patch, or multiscale of such"
        return None

    def _without_heatmaps(self) -> str | None:
        if "discriminator" not in self.roles:
            return "it has no discriminator"
        if DiscriminatorContract(self.network("discriminator", self.directions[0])).heatmaps is None:
            return "its discriminator gives no heatmaps: set method.discriminator to ugatit"
        return None


class TwoWayTranslation(Translation):
    """Two translations that are each other's inverse: adds the cycle and the identity.

    cycle_noise: the standard deviation of the noise that a translation gets on its way back, in training. Subclasses
    set it.
    """

    cycle_noise: float = 0.0

    def on_its_way_back(self, translation: Tensor) -> Tensor:
        """A translation as the networks of the other direction see it when they bring it back."""
        if not (self.cycle_noise and self.training):
            return translation
        return translation + self.cycle_noise * torch.randn_like(translation)

    def unavailable(self, name: str) -> str | None:
        if name in ("retained", "identity", "identity_logits") and (why := self._without_identity()):
            return why
        return super().unavailable(name)

    def _without_identity(self) -> str | None:
        """Why a picture cannot be given to the network that makes pictures of its own domain."""
        here, there = self.takes.get("a"), self.takes.get("b")
        if here is None or there is None or here.accepts(there):
            return None
        return (
            f"`a` is {here.words} and `b` {there.words}, so that no generator takes pictures of the domain that it "
            "makes: remove the loss, or give both the same channels"
        )

    @tensor
    def reconstruction(self, back_generator: nn.Module, output: Tensor) -> Tensor:
        """The translation brought back to the source's domain."""
        return image_of(back_generator(self.on_its_way_back(output)))

    @tensor
    @applies
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
