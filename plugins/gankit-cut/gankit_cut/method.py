"""CUT and FastCUT: one generator whose features say what must be kept (Park et al. 2020, arXiv 2007.15651)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from gankit.contracts import GeneratorContract
from gankit.discriminators import PatchDiscriminator
from gankit.fields import Picture
from gankit.generators import ResnetGenerator
from gankit.init import Init, initialize
from gankit.methods import Translation, Turn, image_of, tensor
from gankit.slots import Discriminator, Ge, Generator, Gt, MinLen, Translated
from gankit_cut.sampler import PatchSampler, draw_places


class CUT(Translation):
    """CUT and FastCUT (arXiv 2007.15651): unpaired translation one way, without a cycle.

    A patch of the output should be told, by the generator's own features, as the patch of the source at its place
    among others of the source: the loss `patchnce`. One generator, one critic, and a small head (`sampler`) that turns
    features into the vectors compared. The critic moves first, as in the paper's code. Pictures (N, C, H, W) in
    [-1, 1].

    Offers output, fake_logits, real_logits, identity of the one direction a2b, and the patches' vectors, a tuple of
    (N, P, embedding), one for each of `layers`: query (of the output) and key (of the source); identity_query (of the
    identity) and identity_key (of the target). The places are drawn anew in each step, once for source and output and
    once for target and identity. attention and logits are there too when the generator has an attention head.

    Parameters
    ----------
    generator: any that gives features (`features(x, layers)`, `feature_names`): resnet, ugatit, unet.
    layers: names of the features to compare. None: the paper's five, which are the padded picture, the convolutions of
        the two halvings, and the first and the fifth residual block (the last one, of fewer).
    patches: places compared in each layer, at most.
    embedding: length of the vectors; None: the features themselves, without a head to learn.
    flip_equivariance: FastCUT's: by the toss of a coin the generator gets the pictures of a step mirrored, and its
        features are mirrored back before they are compared. `output` and `identity` always lie as source and target
        do; the critic sees `judged`, the picture as the generator made it.
    init: how weights start; the paper's code draws them by xavier with gain 0.02.
    """

    directions: ClassVar[tuple[str, ...]] = ("a2b",)
    fields: ClassVar[Mapping[str, Mapping[str, str]]] = {"a2b": {"source": "a", "target": "b"}}
    carried: ClassVar[tuple[str, ...]] = ("judged", "output")

    def __init__(
        self,
        generator: Generator = partial(ResnetGenerator, down="antialiased", up="antialiased"),
        discriminator: Discriminator = partial(PatchDiscriminator, down="antialiased"),
        channels_a: Annotated[int, Ge(1)] = 3,
        channels_b: Annotated[int, Ge(1)] = 3,
        layers: Annotated[list[str], MinLen(1)] | None = None,
        patches: Annotated[int, Ge(2)] = 256,
        embedding: Annotated[int, Ge(1)] | None = 256,
        flip_equivariance: bool = False,
        init: Init = "xavier",
        init_gain: Annotated[float, Gt(0)] = 0.02,
    ) -> None:
        super().__init__()
        if channels_a != channels_b:
            raise ValueError(
                f"cut feeds the output to the generator again: channels_a ({channels_a}) and channels_b ({channels_b}) "
                "must be equal"
            )
        self.takes = {"a": Picture(channels_a), "b": Picture(channels_b)}
        made = generator(channels_a, channels_b)
        self.layers = chosen_layers(made, layers)
        self.patches = patches
        self.flip_equivariance = flip_equivariance
        self.add("generator", "a2b", made)
        self.add("sampler", "a2b", PatchSampler(feature_channels(made, channels_a, self.layers), embedding))
        self.add("discriminator", "a2b", discriminator(channels_b))
        initialize(self.networks, init, init_gain)

    def turns(self) -> list[Turn]:
        return [
            Turn("discriminator", "discriminator", ("discriminator",)),
            Turn("generator", "generator", ("generator", "sampler")),
        ]

    # -- pictures --------------------------------------------------------------------------------------------------
    @tensor
    def mirrored(self, source: Tensor) -> bool:
        """Whether the generator sees this step's pictures mirrored: the toss of a coin, with flip_equivariance."""
        del source  # drawn for each batch
        return self.training and self.flip_equivariance and bool(torch.rand(()) < 0.5)

    @tensor
    def translated(self, generator: nn.Module, source: Tensor, mirrored: bool) -> Tensor | Translated:
        """What the generator returns for the source, which may be mirrored."""
        return generator(turned(source, mirrored))

    @tensor
    def judged(self, translated: Tensor | Translated) -> Tensor:
        """The fake as the generator made it: what the critic sees."""
        return image_of(translated)

    @tensor
    def output(self, judged: Tensor, mirrored: bool) -> Tensor:
        """The translation of the source, (N, C, H, W)."""
        return turned(judged, mirrored)

    @tensor
    def attention(self, translated: Translated, mirrored: bool) -> Tensor | None:
        """The map of the generator's attention head on the source, (N, 1, h, w)."""
        return None if translated.attention is None else turned(translated.attention, mirrored)

    @tensor
    def fake_logits(self, critic: Callable, judged: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The critic on the translation."""
        return critic(judged)

    @tensor
    def retained(self, generator: nn.Module, target: Tensor, mirrored: bool) -> Tensor | Translated:
        """What the generator returns for the target, mirrored if the source is."""
        return generator(turned(target, mirrored))

    @tensor
    def identity(self, retained: Tensor | Translated, mirrored: bool) -> Tensor:
        """The generator's picture for the target, which it should leave unchanged."""
        return turned(image_of(retained), mirrored)

    @tensor
    def identity_logits(self, retained: Translated) -> Tensor | None:
        """The logits of the generator's attention head on the target."""
        return retained.logits

    # -- patches ---------------------------------------------------------------------------------------------------
    @tensor
    def source_features(self, generator: nn.Module, source: Tensor) -> list[Tensor]:
        """The generator's features of the source, without gradients."""
        return self.kept(generator, source)

    @tensor
    def target_features(self, generator: nn.Module, target: Tensor) -> list[Tensor]:
        """The generator's features of the target, without gradients."""
        return self.kept(generator, target)

    @tensor
    def places(self, source_features: list[Tensor]) -> tuple[Tensor, ...]:
        """Where source and output are compared: positions (P,) in each layer."""
        return draw_places(source_features, self.patches)

    @tensor
    def identity_places(self, target_features: list[Tensor]) -> tuple[Tensor, ...]:
        """Where target and identity are compared: positions (P,) in each layer."""
        return draw_places(target_features, self.patches)

    @tensor
    def key(self, sampler: nn.Module, source_features: list[Tensor], places: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Vectors of the source's patches, one (N, P, embedding) for each layer, without gradients."""
        with unlearned(source_features[0]):
            return sampler(source_features, places)

    @tensor
    def identity_key(
        self, sampler: nn.Module, target_features: list[Tensor], identity_places: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """Vectors of the target's patches, one (N, P, embedding) for each layer, without gradients."""
        with unlearned(target_features[0]):
            return sampler(target_features, identity_places)

    @tensor
    def query(
        self, generator: nn.Module, sampler: nn.Module, judged: Tensor, mirrored: bool, places: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """Vectors of the output's patches, one (N, P, embedding) for each layer."""
        return self.asked(generator, sampler, judged, mirrored, places)

    @tensor
    def identity_query(
        self,
        generator: nn.Module,
        sampler: nn.Module,
        retained: Tensor | Translated,
        mirrored: bool,
        identity_places: tuple[Tensor, ...],
    ) -> tuple[Tensor, ...]:
        """Vectors of the identity's patches, one (N, P, embedding) for each layer."""
        return self.asked(generator, sampler, image_of(retained), mirrored, identity_places)

    def kept(self, generator: Any, picture: Tensor) -> list[Tensor]:
        """Features of what is to be kept: nothing learns from them."""
        with unlearned(picture):
            return generator.features(picture, self.layers)

    def asked(
        self, generator: Any, sampler: nn.Module, picture: Tensor, mirrored: bool, places: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """Vectors of what the generator made, at places of the picture as it was given."""
        features = [turned(feature, mirrored) for feature in generator.features(picture, self.layers)]
        return sampler(features, places)


@contextmanager
def unlearned(x: Tensor) -> Iterator[None]:
    """Without gradients, where the same networks compute with gradients too.

    Autocast keeps the halved weights of a network for the next call, and older torch also those made without
    gradients, which would cut the next call off from its weights. It is told to keep none here.
    """
    device = x.device.type
    with torch.no_grad():
        if device == "meta" or not torch.is_autocast_enabled(device):  # meta tensors know no autocast
            yield
        else:
            with torch.autocast(device, torch.get_autocast_dtype(device), cache_enabled=False):
                yield


def turned(x: Tensor, mirrored: bool) -> Tensor:
    """(N, C, H, W) left to right, where it is to be."""
    return x.flip(3) if mirrored else x


def chosen_layers(generator: nn.Module, wanted: Sequence[str] | None) -> list[str]:
    """The names of the features to compare: those wanted, or the paper's. ValueError, with what there is, if not."""
    kind = type(generator).__name__
    contract = GeneratorContract(generator)
    known = contract.feature_names
    if not known or contract.features is None:
        raise ValueError(
            f"cut compares features inside the generator, and {kind} gives none: take one that does, such as resnet, "
            "or give yours `features(x, layers)` and `feature_names`"
        )
    blocks = [name for name in known if name.startswith("block")]
    usual = ["input", "down1.conv", "down2.conv", *dict.fromkeys([*blocks[:1], *blocks[:5][-1:]])]
    layers = list(usual if wanted is None else wanted)
    if unknown := [name for name in layers if name not in known]:
        say = f"{kind} has no features called {', '.join(unknown)}" if wanted else f"{kind} has not the paper's layers"
        raise ValueError(f"{say}: choose `layers` among {', '.join(known)}")
    if len(set(layers)) < len(layers):
        raise ValueError(f"`layers` names one twice: {', '.join(layers)}")
    return layers


def feature_channels(generator: nn.Module, channels: int, layers: Sequence[str]) -> list[int]:
    """How many channels the features of these layers have, from one pass over the smallest picture."""
    sizes = GeneratorContract(generator)
    side = -(-sizes.min_size // sizes.size_multiple) * sizes.size_multiple
    training = generator.training
    generator.eval()  # statistics of batch norms stay as they are
    try:
        with torch.no_grad():
            found = generator.features(torch.zeros(1, channels, side, side), list(layers))  # type: ignore[operator]
    finally:
        generator.train(training)
    return [feature.shape[1] for feature in found]
