"""What the residual generators share: the way of an image through their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from gankit.conditions import ANY, STYLE, Conditions, chosen, wants
from gankit.contracts import AttentionContract
from gankit.fields import Field
from gankit.layers import ConvNorm, ZeroConv2d, check_image, taken_inside
from gankit.slots import Attended, Translated

FAR = 0.99
"""Where atanh is cut off for a residual image: black and white are copied to within 1.3 of 255 levels (3, beside a
gate), and their tanh still has a slope."""
SHUT = -3.0
"""The logit of a gate before training: 5 % of the image's atanh is let go."""
ResidualImage = bool | Literal["gated"]


def pick(stages: Iterable[tuple[str, Any]], layers: Sequence[str], known: Sequence[str]) -> list[Tensor]:
    """The features named in `layers`, in that order; stages after the last of them are not computed."""
    if unknown := [name for name in layers if name not in known]:
        raise ValueError(f"no features are called {', '.join(unknown)}; there are {', '.join(known)}")
    features: dict[str, Tensor] = {}
    for name, value in stages:
        if name in layers:
            features[name] = value.features if isinstance(value, Attended) else value
        if len(features) == len(set(layers)):
            break
    return [features[name] for name in layers]


class ResidualGenerator(nn.Module):
    """Stem, two halvings, residual blocks, two doublings, head. A subclass builds the parts.

    With a residual image the head draws what is added to the image rather than the result (arXiv 1612.05363): at first
    nothing, so that the generator copies from its first step on. With a gated one it also draws how much of the image
    is let go before that, at first little, so that it nearly copies.

    An attention head and a style head, where there are any, sit after the first `middle` blocks: the blocks before see
    the image, those after it draw the new one.
    """

    size_multiple = 4
    passes_on: ClassVar[Mapping[str, tuple[str, ...]]] = {"norm": (*STYLE, ANY), "attention": (ANY,)}

    in_channels: int
    pad: nn.Module
    stem: ConvNorm
    down: nn.ModuleList
    after_down: nn.Module
    blocks: nn.ModuleList
    middle: int
    attention: nn.Module | None
    style: nn.Module | None
    up: nn.ModuleList
    head: nn.Module
    fixed_size: int | None = None
    residual_image: ResidualImage = False
    takes: Mapping[str, Field] = MappingProxyType({})
    attended: tuple[str, ...] = ()

    def draws_residual(self, out_channels: int, wide: int, kind: ResidualImage = True) -> nn.Module:
        """A head for a residual image, `wide` channels in; a gate is its last channel out. Raises ValueError where no
        image can be added to it, and for another kind."""
        if out_channels != self.in_channels:
            channels = f"{self.in_channels} and {out_channels}"
            raise ValueError(f"residual_image needs as many channels of the result as of the image; got {channels}")
        if kind not in (True, "gated"):
            raise ValueError(f"residual_image must be true, false or 'gated', not {kind!r}")
        self.residual_image = kind
        drawn = out_channels + (kind == "gated")
        return ZeroConv2d(wide, drawn, 7, padding=3, padding_mode="reflect", bias=False)

    def settle(self) -> None:
        """Say what the parts want of a batch: a subclass calls it when they are there. Raises as `taken_inside`."""
        self.takes, self.attended = taken_inside(self), wants(self.attention)

    @property
    def min_size(self) -> int:
        """The smallest side: reflection padding of the bottleneck needs 2 pixels there, an attention head more."""
        return self.fixed_size or max(8, 4 * AttentionContract(self.attention).min_size)

    @property
    def offers(self) -> frozenset[str]:
        """Those fields of `Translated`, besides the image, that the forward fills."""
        head = AttentionContract(self.attention)
        names = {"attention": head.has_map, "logits": head.has_logits}
        return frozenset(name for name, filled in names.items() if filled)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the taps, in order: `input` (the padded image), `stem`, `down1.conv` (before its norm), `down1`,
        ..., `block1`, ..., `attention` (if there is one), ..., `up1`, `up2`."""
        blocks = [f"block{i + 1}" for i in range(len(self.blocks))]
        attention = ["attention"] if self.attention is not None else []
        down = [name for i in range(len(self.down)) for name in (f"down{i + 1}.conv", f"down{i + 1}")]
        up = [f"up{i + 1}" for i in range(len(self.up))]
        return ("input", "stem", *down, *blocks[: self.middle], *attention, *blocks[self.middle :], *up)

    def features(self, x: Tensor, layers: Sequence[str], **conditions: Tensor) -> list[Tensor]:
        """The features named in `layers` (of `feature_names`), without the work that comes after the last of them."""
        self.check(x)
        return pick(self._walk(x, conditions), layers, self.feature_names)

    def forward(self, x: Tensor, **conditions: Tensor) -> Tensor | Translated:
        self.check(x)
        attended = None
        for name, value in self._walk(x, conditions):
            if name == "attention":
                attended = value
            else:
                x = value
        return x if attended is None else Translated(x, attended.map, attended.logits)

    def stages(self) -> list[Callable[[Tensor], Tensor]]:
        """Functions whose composition is the forward, for pictures that are computed in tiles; none where a head sees
        the whole picture, a part wants more than features, or the image is added at the end."""
        if self.attention is not None or self.style is not None or self.takes or self.residual_image:
            return []
        return [lambda x: self.features(x, [f"down{len(self.down)}"])[0], *self.blocks, self._draw]

    def _draw(self, x: Tensor) -> Tensor:
        for unit in self.up:
            x = unit(x)
        return torch.tanh(self.head(x))

    def _image(self, drawn: Tensor, image: Tensor) -> Tensor:
        """The result: what the head has drawn, or what is kept of the image with that added before the tanh."""
        if not self.residual_image:
            return torch.tanh(drawn)
        kept = torch.atanh(image.clamp(-FAR, FAR))
        if self.residual_image == "gated":
            drawn, gate = drawn[:, :-1], drawn[:, -1:]
            kept = kept * torch.sigmoid(-gate - SHUT)
        return torch.tanh(kept + drawn)

    def check(self, x: Tensor) -> None:
        """Raise a ValueError that says what the image should be."""
        check_image(x, self.in_channels, multiple=self.size_multiple, minimum=self.min_size)
        if self.fixed_size and x.shape[2:] != (self.fixed_size, self.fixed_size):
            raise ValueError(f"sides must be {self.fixed_size}; got {x.shape[2]}x{x.shape[3]}")

    def _walk(self, x: Tensor, conditions: Conditions) -> Iterator[tuple[str, Any]]:
        image = x
        x = self.pad(x)
        yield "input", x
        x = self.stem(x, conditions)
        yield "stem", x
        for i, unit in enumerate(self.down):
            assert isinstance(unit, ConvNorm)
            x = unit.conv(x)
            yield f"down{i + 1}.conv", x
            x = self.after_down(unit.finish(x, conditions))
            yield f"down{i + 1}", x
        blocks = list(self.blocks)
        for i, block in enumerate(blocks[: self.middle]):
            x = block(x, conditions)
            yield f"block{i + 1}", x
        if self.attention is not None:
            attended = self.attention(x, **chosen(self.attended, conditions))
            x = attended.features
            yield "attention", attended
        styled = conditions if self.style is None else {**conditions, **self.style(x)}
        for i, block in enumerate(blocks[self.middle :], self.middle):
            x = block(x, styled)
            yield f"block{i + 1}", x
        for i, unit in enumerate(self.up):
            x = unit(x, conditions)
            yield f"up{i + 1}", x
        yield "image", self._image(self.head(x), image)
