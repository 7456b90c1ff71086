"""One component per check that breaks it, and is otherwise well made; and some that break a kind's contract."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from gankit.fields import Picture
from gankit.norms.instance import InstanceNorm
from gankit.slots import Attended, Ge, Translated


class Good(nn.Module):
    """Multiplies each channel by a weight. (N, C, H, W) -> the same shape. gankit's own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight.to(x.dtype)[:, None, None]

    def extra_repr(self) -> str:
        return f"{self.channels}"


class BadSchema(Good):
    """Has a default that its own schema refuses. (N, C, H, W) -> the same shape. gankit's own."""

    def __init__(self, channels: int, *, groups: Annotated[int, Ge(1)] = 0) -> None:
        super().__init__(channels)
        self.groups = groups

    def extra_repr(self) -> str:
        return f"{self.channels}, groups={self.groups}"


class UntypedParameter(Good):
    """Cannot be described in a recipe. (N, C, H, W) -> the same shape. gankit's own."""

    def __init__(self, channels: int, *, groups=1) -> None:
        super().__init__(channels)


class BadDefaults(Good):
    """Refuses its own default. (N, C, H, W) -> the same shape. gankit's own."""

    def __init__(self, channels: int, *, groups: int = 3) -> None:
        super().__init__(channels)
        if channels % groups:
            raise ValueError(f"{channels} channels do not fall into {groups} groups")
        self.groups = groups

    def extra_repr(self) -> str:
        return f"{self.channels}, groups={self.groups}"


class BadDeclares(Good):
    """Misspells what it declares. (N, C, H, W) -> the same shape. gankit's own."""

    cancel_bias = False


class BadSample(Good):
    """Loses the picture in evaluation. (N, C, H, W) -> the same shape. gankit's own."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y if self.training else y.mean((2, 3))


class BadOddSizes(Good):
    """Halves the sides. (N, C, H, W) -> the same shape. gankit's own."""

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        return super().forward(x).reshape(n, c, h // 2, 2, w // 2, 2).reshape(x.shape)


class BadBatchOne(Good):
    """Drops a batch of one. (N, C, H, W) -> the same shape. gankit's own."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).squeeze(0)


class BadGradients(Good):
    """Has a parameter that it does not use. (N, C, H, W) -> the same shape. gankit's own."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.unused = nn.Parameter(torch.ones(channels))


class NaNOnFlat(Good):
    """Divides by a deviation that may be zero. (N, C, H, W) -> the same shape. gankit's own."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) / (x.var((2, 3), keepdim=True).sqrt() + 1e-5)


class BadBFloat16(Good):
    """Cancels large numbers in the input's precision. (N, C, H, W) -> the same shape. gankit's own."""

    def forward(self, x: Tensor) -> Tensor:
        return (super().forward(x) + 256) - 256


class BadChannelsLast(Good):
    """Takes one memory layout for granted. (N, C, H, W) -> the same shape. gankit's own."""

    def forward(self, x: Tensor) -> Tensor:
        rows = x.view(len(x) * self.channels, -1)
        return (rows * self.weight.to(x.dtype).repeat(len(x))[:, None]).view(x.shape)


class BadPickle(Good):
    """Holds a lambda. (N, C, H, W) -> the same shape. gankit's own."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.activation = lambda x: x

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(super().forward(x))


class BadDeepcopy(Good):
    """Is its own copy. (N, C, H, W) -> the same shape. gankit's own."""

    def __deepcopy__(self, memo: dict[int, Any]) -> BadDeepcopy:
        return self


class BadStateDict(Good):
    """Draws a tensor that is neither parameter nor buffer. (N, C, H, W) -> the same shape. gankit's own."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.drawn = torch.rand(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.drawn


class BadExport(Good):
    """Asks in evaluation for a value. (N, C, H, W) -> the same shape. gankit's own."""

    def forward(self, x: Tensor) -> Tensor:
        doubles = not self.training and bool(self.weight.sum() > 0)
        return super().forward(x) * (2 if doubles else 1)


class BadCompile(Good):
    """Asks in training for a value. (N, C, H, W) -> the same shape. gankit's own."""

    def forward(self, x: Tensor) -> Tensor:
        doubles = self.training and bool(x.sum() > 0)
        return super().forward(x) * (2 if doubles else 1)


class BadRepr(Good):
    """Reads an attribute that it never sets. (N, C, H, W) -> the same shape. gankit's own."""

    def extra_repr(self) -> str:
        return f"{self.hidden_size}"


class BadDocstring(Good):
    """Multiplies."""


# -- contracts of the kinds: (kind, class, what the reason says) -----------------------------------------------------
class BareHead(Good):
    """Returns a tensor where Attended is due. (N, C, H, W) -> the same shape. gankit's own."""


class SilentHead(Good):
    """Gives a map and does not say so. (N, C, H, W) -> Attended. gankit's own."""

    has_map = has_logits = False

    def forward(self, x: Tensor) -> Attended:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Attended(super().forward(x), torch.ones_like(x[:, :1]))


class WildGenerator(nn.Module):
    """Leaves the range. (N, 3, H, W) -> (N, 3, H, W). gankit's own."""

    size_multiple = min_size = 1
    offers: frozenset[str] = frozenset()

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor | Translated:
        return 10 * self.conv(x)


class TextualGenerator(WildGenerator):
    """States a size as text. (N, 3, H, W) -> (N, 3, H, W). gankit's own."""

    min_size = "8"  # pyright: ignore[reportAssignmentType]


class QuietGenerator(WildGenerator):
    """Offers attention and gives none. (N, 3, H, W) -> (N, 3, H, W). gankit's own."""

    offers = frozenset({"attention"})

    def forward(self, x: Tensor) -> Translated:
        return Translated(self.conv(x).tanh())


class ShrinkingGenerator(WildGenerator):
    """States no fitting size. (N, 3, H, W) -> (N, 3, H, W). gankit's own."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(self.conv(x[..., ::2, ::2]).tanh(), scale_factor=2)


class FlatCritic(nn.Module):
    """Returns several channels. (N, 3, H, W) -> (N, 3, H, W). gankit's own."""

    min_size = 1

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class HotCritic(nn.Module):
    """Its heatmaps are of any size of number. (N, 3, H, W) -> (N, 1, H, W). gankit's own."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)

    def heatmaps(self, x: Tensor) -> Tensor:
        return 100 * self.conv(x).square()


class UnreducedLoss(nn.Module):
    """Returns a picture. (N, C, H, W) -> (N, C, H, W). gankit's own."""

    def forward(self, output: Tensor) -> Tensor:
        return output.square()


class OneHeadLoss(nn.Module):
    """Takes the last head alone. (N, 1, h, w) or a tuple -> scalar. gankit's own."""

    def forward(self, fake_logits: Tensor | tuple[Tensor, ...]) -> Tensor:
        return (fake_logits[-1] if isinstance(fake_logits, tuple) else fake_logits).square().mean()


class CriticSideLoss(nn.Module):
    """Gives NaN in the critic's turn. (N, 1, h, w) -> scalar. gankit's own."""

    def forward(self, fake_logits: Tensor | tuple[Tensor, ...]) -> Tensor:
        heads = fake_logits if isinstance(fake_logits, tuple) else (fake_logits,)
        return torch.stack([head.square().mean() for head in heads]).sum()

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return self(real_logits) - self(fake_logits).log().abs().neg().sqrt()


class WideLoss(nn.Module):
    """The distance of pictures of 40 px at least. (N, C, H, W), (N, C, H, W) -> scalar. gankit's own."""

    min_size = 40

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        if min(output.shape[-2:]) < 40:
            raise ValueError("pictures of 40 px at least")
        return (output - target).square().mean()


class SpeechLoss(nn.Module):
    """Asks for what the kit does not know. speech (N, T) -> scalar. gankit's own."""

    def forward(self, speech: Tensor) -> Tensor:
        return speech.square().mean()


class RestlessData:
    """Draws from torch's global random state. a (3, 8, 8). gankit's own."""

    size = 8
    fields: ClassVar = {"a": Picture(3)}

    def __len__(self) -> int:
        return 1

    def split(self, name: str) -> RestlessData:
        return self

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {"a": torch.rand(3, 8, 8)}


class UnfusedNorm(InstanceNorm):
    """Inherits `fuses` and forgets it. (N, C, H, W) -> the same shape. gankit's own."""

    def forward(self, input: Tensor, *, slope: float = 1.0, residual: Tensor | None = None) -> Tensor:
        return super().forward(input)


class MeanKeepingNorm(InstanceNorm):
    """Inherits `cancels_bias` and forgets it. (N, C, H, W) -> the same shape. gankit's own."""

    def forward(self, input: Tensor, *, slope: float = 1.0, residual: Tensor | None = None) -> Tensor:
        mean = input.mean((2, 3), keepdim=True).expand_as(input)
        return super().forward(input, slope=slope, residual=mean if residual is None else mean + residual)


class Contract(NamedTuple):
    kind: str
    make: type
    reason: str


CONTRACTS = (
    Contract("norm", UnfusedNorm, "states `fuses`"),
    Contract("norm", MeanKeepingNorm, "states `cancels_bias`"),
    Contract("attention", BareHead, "returns Attended"),
    Contract("attention", SilentHead, "has_map is False, but map is given"),
    Contract("generator", WildGenerator, r"leaves \[-1, 1\]"),
    Contract("generator", QuietGenerator, r"offers is \['attention'\]"),
    Contract("discriminator", FlatCritic, r"logits are \(N, 1, h, w\)"),
    Contract("discriminator", HotCritic, r"heatmaps leave \[0, 1\]"),
    Contract("loss", UnreducedLoss, "returns a scalar"),
    Contract("loss", OneHeadLoss, "two equal heads"),
    Contract("loss", CriticSideLoss, r"discriminator\(\) .* not finite"),
    Contract("loss", SpeechLoss, "pass inputs={'speech': tensor}"),
    Contract("dataset", RestlessData, "global random state"),
)
