"""AGIT: unsupervised attention-guided translation (Mejjati et al. 2018, arXiv 1806.02311)."""

from __future__ import annotations

from functools import partial
from typing import Annotated, ClassVar, Literal

from torch import Tensor, nn

from gankit.attention.mask import MaskAttention
from gankit.contracts import AttentionContract, DiscriminatorContract
from gankit.discriminators.patch import PatchDiscriminator
from gankit.fields import Picture
from gankit.generators.resnet import ResnetGenerator
from gankit.init import Init, initialize
from gankit.methods.base import Turn, TwoWayTranslation, image_of, tensor
from gankit.slots import Attention, Discriminator, Ge, Generator, Gt, Le


class AttentionGuided(TwoWayTranslation):
    """AGIT (arXiv 1806.02311): an attention network cuts out what a generator may change; the rest is the source.

    With map m of the source s, the output is generator(s) * m + s * (1 - m). The cycle goes through the other
    direction's map of the output. From epoch `whole_image_until_epoch` on, critics see only what the maps attend to.
    Pictures are (N, C, H, W) in [-1, 1], maps (N, 1, H, W) in [0, 1].

    Offers output, attention, raw (the generator's picture before composition), reconstruction, identity,
    fake_logits, real_logits in both directions. identity and reconstruction are composed as the output is.
    returned_attention is the map that the other direction finds on the output. That the two maps agree is not asked for
    in the paper; `{type: pixel, distance: l2, on: {output: attention, target: returned_attention}}` asks for it.

    Paper and released code agree on the composition. They differ in some of the options below, whose defaults are the
    paper's.

    Args:
        generator, attention, discriminator: the network that makes pictures, the one that makes maps, and the critic.
            Each direction has its own.
        channels_a, channels_b: the channels of the pictures of each domain.
        init, init_gain: how weights start, see `gankit.init.initialize`.
        whole_image_until_epoch: the epoch, counted from 0, with which the second phase begins. Critics see whole
            pictures before it, and masked ones from it on.
        threshold: in the second phase a critic sees a picture only where the map is at least this.
        freeze_attention: whether the maps stop learning when the second phase begins.
        drop_norm: whether instance norm leaves the critics when the second phase begins. The zeroed regions would
            dominate its statistics.
        masked_fake: what is masked for the critic. `raw` is the generator's own picture, as in the paper's equation 6.
            `composed` is the composed output, as in the released code.
        cycle_to_attention: the share of the cycle loss's gradient that reaches the attention networks. It is 1 in the
            paper. The cycle loss falls as less is changed, so it pulls maps down on the objects too. In short trainings
            they end as low as the generator's range allows, or die. With 0 nothing keeps them off the background. The
            option is gankit's own.
        generator_sees: `whole` gives the generator the whole picture, as in paper and code. `attended` gives it only
            what is attended to: picture times map, so that all else is grey (0). Through this product, gradients reach
            the map whatever `cycle_to_attention` is.
        cycle_noise: the standard deviation of normal noise that is added, in training, to a translation before it is
            brought back; pictures are in [-1, 1]. What a generator hides in a translation for the way back, too faint
            to be seen, is lost in it (arXiv 1908.01517). Networks see the noise, and the composition is without it.
        alternate: whether the released code's order of updates is kept, which is generator a2b, its critic, generator
            b2a, its critic. False updates both generators, and then both critics.
    """

    carried: ClassVar[tuple[str, ...]] = ("judged", "judged_mask", "output")

    def __init__(
        self,
        generator: Generator = partial(ResnetGenerator, channels=32),
        attention: Attention = MaskAttention,
        discriminator: Discriminator = PatchDiscriminator,
        channels_a: Annotated[int, Ge(1)] = 3,
        channels_b: Annotated[int, Ge(1)] = 3,
        whole_image_until_epoch: Annotated[int, Ge(0)] = 30,
        threshold: Annotated[float, Ge(0), Le(1)] = 0.1,
        freeze_attention: bool = True,
        drop_norm: bool = True,
        masked_fake: Literal["raw", "composed"] = "raw",
        cycle_to_attention: Annotated[float, Ge(0), Le(1)] = 1.0,
        generator_sees: Literal["whole", "attended"] = "whole",
        cycle_noise: Annotated[float, Ge(0)] = 0.0,
        alternate: bool = False,
        init: Init = "normal",
        init_gain: Annotated[float, Gt(0)] = 0.02,
    ) -> None:
        super().__init__()
        if channels_a != channels_b:
            raise ValueError(
                f"attention_guided mixes source and output pixel by pixel: channels_a ({channels_a}) and channels_b "
                f"({channels_b}) must be equal"
            )
        self.takes = {"a": Picture(channels_a), "b": Picture(channels_b)}
        self.whole_image_until_epoch = whole_image_until_epoch
        self.threshold = threshold
        self.freeze_attention = freeze_attention
        self.drop_norm = drop_norm
        self.masked_fake = masked_fake
        self.cycle_to_attention = cycle_to_attention
        self.generator_sees = generator_sees
        self.cycle_noise = cycle_noise
        self.alternate = alternate
        self.masked_phase = False
        self._frozen: list[nn.Parameter] = []  # by this method, for the phase
        for direction in self.directions:
            self.add("generator", direction, generator(channels_a, channels_b))
            self.add("attention_net", direction, attention(channels_a))
            self.add("discriminator", direction, discriminator(channels_b))
        if not AttentionContract(self.network("attention_net", "a2b")).has_map:
            raise ValueError("attention_guided needs an attention head that gives a map, such as mask, cam or cbam")
        initialize(self.networks, init, init_gain)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Enter or leave the phase in which critics see only what is attended to."""
        self.masked_phase = epoch >= self.whole_image_until_epoch
        for parameter in self._frozen:
            parameter.requires_grad_(True)
        attention = [self.network("attention_net", d) for d in self.directions]
        learning = [p for network in attention for p in network.parameters() if p.requires_grad]
        self._frozen = learning if self.masked_phase and self.freeze_attention else []
        for parameter in self._frozen:
            parameter.requires_grad_(False)
        for direction in self.directions:
            set_norm = DiscriminatorContract(self.network("discriminator", direction)).set_norm
            if set_norm is not None:
                set_norm(not (self.masked_phase and self.drop_norm))

    @property
    def phase(self) -> bool:
        return self.masked_phase

    def turns(self) -> list[Turn]:
        players = ("generator", "attention_net")
        if not self.alternate:
            return [Turn("generator", "generator", players), Turn("discriminator", "discriminator", ("discriminator",))]
        return [
            turn
            for d in self.directions
            for turn in (
                Turn(f"generator_{d}", "generator", players, (d,)),
                Turn(f"discriminator_{d}", "discriminator", ("discriminator",), (d,)),
            )
        ]

    def unavailable(self, name: str) -> str | None:
        if name in ("logits", "identity_logits"):
            return "its attention network gives a map, not logits; ugatit's CAM gives logits"
        if name == "attention":
            return None  # of the attention network, whatever the generator has
        return super().unavailable(name)

    # -- composition -----------------------------------------------------------------------------------------------
    @tensor
    def attention(self, attention_net: nn.Module, source: Tensor) -> Tensor:
        """Where the source may change, (N, 1, H, W) in [0, 1]."""
        return self.map_of(attention_net, source)

    @tensor
    def raw(self, generator: nn.Module, source: Tensor, attention: Tensor) -> Tensor:
        """The generator's picture, before composition."""
        return image_of(generator(self.fed(source, attention)))

    @tensor
    def output(self, raw: Tensor, attention: Tensor, source: Tensor) -> Tensor:
        """The generator's picture where attended, the source elsewhere."""
        return compose(raw, attention, source)

    @tensor
    def reconstruction(
        self,
        back_generator: nn.Module,
        back_attention_net: nn.Module,
        output: Tensor,
        raw: Tensor,
        attention: Tensor,
        source: Tensor,
    ) -> Tensor:
        """The output brought back, through the map that the other direction finds on it."""
        if self.cycle_to_attention != 1:  # the same values, with less of the map's gradient
            output = compose(raw, scaled(attention, self.cycle_to_attention), source)
        seen = self.on_its_way_back(output)
        back_map = scaled(self.map_of(back_attention_net, seen), self.cycle_to_attention)
        return compose(image_of(back_generator(self.fed(seen, back_map))), back_map, output)

    @tensor
    def returned_attention(self, back_attention_net: nn.Module, output: Tensor) -> Tensor:
        """Where the other direction would change the output, (N, 1, H, W) in [0, 1]; its gradient is that network's."""
        return self.map_of(back_attention_net, output.detach())

    @tensor
    def identity(self, generator: nn.Module, attention_net: nn.Module, target: Tensor) -> Tensor:
        """What this direction makes of a picture that is in its target domain already."""
        attention = self.map_of(attention_net, target)
        return compose(image_of(generator(self.fed(target, attention))), attention, target)

    def fed(self, picture: Tensor, attention: Tensor) -> Tensor:
        """What of a picture a generator sees."""
        return picture * attention if self.generator_sees == "attended" else picture

    # -- what critics see ------------------------------------------------------------------------------------------
    @tensor
    def judged(self, raw: Tensor, output: Tensor) -> Tensor:
        """The fake that is shown to the critic."""
        return raw if self.masked_phase and self.masked_fake == "raw" else output

    @tensor
    def judged_mask(self, attention: Tensor) -> Tensor:
        """The map that made the fake: pooled with it, so that an old fake keeps its own."""
        return attention

    @tensor
    def fake_logits(self, discriminator: nn.Module, judged: Tensor, judged_mask: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The critic on the fake, masked in the second phase by the source's map."""
        return discriminator(self.visible(judged, judged_mask))

    @tensor
    def real_logits(
        self, discriminator: nn.Module, target: Tensor, back_attention: Tensor
    ) -> Tensor | tuple[Tensor, ...]:
        """The critic on the real picture, masked in the second phase by its own map."""
        return discriminator(self.visible(target, back_attention))

    @tensor
    def fake_heatmaps(self, discriminator: nn.Module, judged: Tensor, judged_mask: Tensor) -> Tensor:
        """Where the critics look in the fake as they see it, (N, K, H, W) in [0, 1]: a map for each."""
        return discriminator.heatmaps(self.visible(judged, judged_mask))  # type: ignore[operator]

    @tensor
    def real_heatmaps(self, discriminator: nn.Module, target: Tensor, back_attention: Tensor) -> Tensor:
        """Where the critics look in the real picture as they see it, (N, K, H, W) in [0, 1]: a map for each."""
        return discriminator.heatmaps(self.visible(target, back_attention))  # type: ignore[operator]

    def visible(self, picture: Tensor, attention: Tensor) -> Tensor:
        if not self.masked_phase:
            return picture
        return picture * (attention >= self.threshold).to(picture.dtype)

    @staticmethod
    def map_of(attention_net: nn.Module, picture: Tensor) -> Tensor:
        return attention_net(picture).map


def compose(foreground: Tensor, attention: Tensor, background: Tensor) -> Tensor:
    """foreground * attention + background * (1 - attention)."""
    return foreground * attention + background * (1 - attention)


def scaled(x: Tensor, share: float) -> Tensor:
    """x itself, with this share of its gradient."""
    return x if share == 1 else x.detach().lerp(x, share)
