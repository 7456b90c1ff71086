"""Critics that compare the pictures of a batch: StyleGAN2's minibatch deviation, UVCGAN v2's head with a memory."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from gankit.contracts import DiscriminatorContract
from gankit.discriminators import PatchDiscriminator
from gankit.precision import full
from gankit.slots import Discriminator, Ge, Gt

Stream = Literal["real", "fake"]


class Deviation(nn.Module):
    """Adds maps of how far pictures differ (arXiv 1710.10196; groups: arXiv 1912.04958).

    forward: (N, C, H, W) -> (N, C + maps, H, W). The standard deviation over the pictures of a group, at each place and
    channel, is averaged over places and channels, and fills a map of each picture of the group.

    group: pictures in a group; None: the whole batch. A batch that does not fall into such groups is cut into the
    largest below that it falls into; of 5 or 7 pictures and groups of 4, each is alone. maps: parts into which the
    channels are cut, each of its own map. eps: added to the variance.
    """

    def __init__(self, group: int | None = 4, maps: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.group, self.maps, self.eps = group, maps, eps

    def forward(self, x: Tensor) -> Tensor:
        count, channels, height, width = x.shape
        most = count if self.group is None else min(self.group, count)
        size = next(size for size in range(most, 0, -1) if count % size == 0)
        grouped = full(x).reshape(size, count // size, self.maps, channels // self.maps, height, width)
        spread = (grouped.var(0, correction=0) + self.eps).sqrt().mean((2, 3, 4)).to(x.dtype)  # (groups, maps)
        return torch.cat([x, spread.repeat(size, 1)[:, :, None, None].expand(-1, -1, height, width)], 1)

    def extra_repr(self) -> str:
        return f"group={self.group}, maps={self.maps}, eps={self.eps}"


class OnFeatures(nn.Module):
    """Base of critics that judge what the last layer of another critic sees, by heads of their own.

    What of the other critic its features do not use, its own last layer, does not learn.
    """

    mixes_batch = True

    def __init__(self, in_channels: int, discriminator: Discriminator) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.body: Any = discriminator(in_channels)
        contract = DiscriminatorContract(self.body)
        if not contract.gives_features:
            raise ValueError(f"{type(self.body).__name__} gives no features: take patch, or multiscale of such")
        self.min_size, self.fixed_size = contract.min_size, contract.fixed_size
        side = self.fixed_size or max(self.min_size, 16)
        training = self.body.training
        self.body.eval()
        with torch.enable_grad():
            seen = [layers[-1] for layers in self.body.features(torch.zeros(1, in_channels, side, side))]
            learning = [p for p in self.body.parameters() if p.requires_grad]
            reached = torch.autograd.grad(sum(x.sum() for x in seen), learning, allow_unused=True)  # type: ignore[arg-type]
        self.body.train(training)
        for parameter, gradient in zip(learning, reached, strict=True):
            parameter.requires_grad_(gradient is not None)
        self.widths = [x.shape[1] for x in seen]

    def features(self, x: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        """Those of the critic inside."""
        return self.body.features(x)

    def last(self, x: Tensor) -> list[Tensor]:
        """The last features of each critic inside, (N, C, h, w)."""
        return [layers[-1] for layers in self.body.features(x)]


def head(incoming: int, width: int, slope: float) -> nn.Module:
    """Two convolutions: (N, incoming, h, w) -> logits (N, 1, h, w)."""
    return nn.Sequential(
        nn.Conv2d(incoming, width, 3, padding=1), nn.LeakyReLU(slope), nn.Conv2d(width, 1, 3, padding=1)
    )


class MinibatchDeviation(OnFeatures):
    """A critic that also sees how much pictures of a batch differ (StyleGAN2, arXiv 1912.04958), so that a generator
    that makes all alike is found out.

    forward: pictures (N, in_channels, H, W) in [-1, 1] -> logits (N, 1, h, w), or a tuple of them where the critic
    inside is several. To the last features of the critic inside, maps of the deviation over groups of pictures are
    added, then come two convolutions, as in StyleGAN2's last block. With a batch of one the maps say nothing.

    discriminator: any critic with features. group, maps: pictures in a group, and the maps that they get. ValueError
    where the features do not fall into so many parts.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        discriminator: Discriminator = PatchDiscriminator,
        group: Annotated[int, Ge(1)] = 4,
        maps: Annotated[int, Ge(1)] = 1,
    ) -> None:
        super().__init__(in_channels, discriminator)
        if wrong := [width for width in self.widths if width % maps]:
            raise ValueError(f"{wrong[0]} channels do not fall into {maps} parts: choose other `maps`")
        self.deviation = Deviation(group, maps)
        self.heads = nn.ModuleList(head(width + maps, width, 0.2) for width in self.widths)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        seen = zip(self.heads, self.last(x), strict=True)
        logits: list[Tensor] = [head(self.deviation(features)) for head, features in seen]
        return tuple(logits) if len(logits) > 1 else logits[0]


class BatchHead(OnFeatures):
    """A critic whose head compares pictures, with earlier ones in memory where batches are small (UVCGAN v2, arXiv
    2303.16280, section 3.2).

    forward: pictures (N, in_channels, H, W) in [-1, 1] -> logits (N, 1, h, w). The last features of the critic inside,
    together with those in memory, go through a head that sees their statistics; the logits are those of the pictures.
    `forward(x, past="real")` or `"fake"` uses the memory of real or of fake pictures, and, where the critic learns,
    puts the features of x into it: the method `uvcgan2` calls it so. Features that are given as `past`, (M, C, h, w),
    stand beside those of x, and nothing is put in. Without `past` the mean of the two memories does; other methods have
    no memory, and need batches of more than one. A checkpoint holds the memory of each process.

    discriminator: any single critic with features. statistic: a map of the `deviation`, or batch normalization (`norm`)
    of the features. memory: how many pictures are kept, 3 in the paper; the first ones fill it. slope: of the leaky
    ReLU.
    """

    past_real: Tensor
    past_fake: Tensor

    def __init__(
        self,
        in_channels: int,
        *,
        discriminator: Discriminator = PatchDiscriminator,
        statistic: Literal["deviation", "norm"] = "deviation",
        memory: Annotated[int, Ge(0)] = 3,
        slope: Annotated[float, Gt(0)] = 0.01,
    ) -> None:
        super().__init__(in_channels, discriminator)
        if len(self.widths) > 1:
            raise ValueError(f"batch_head stands on one critic, and this is {len(self.widths)}")
        [width] = self.widths
        self.memory = memory
        more = 1 if statistic == "deviation" else 0
        self.statistic = Deviation(None, eps=1e-6) if more else nn.BatchNorm2d(width)
        self.head = head(width + more, width, slope)
        for stream in ("real", "fake"):
            self.register_buffer(f"past_{stream}", torch.zeros(0))

    def forward(self, x: Tensor, past: Stream | Tensor | None = None) -> Tensor:
        [features] = self.last(x)
        logits = self.head(self.statistic(torch.cat([features, *self.remembered(features, past)])))[: len(x)]
        if isinstance(past, str) and self.memory and self.training and self.learns:
            self.remember(full(features.detach()), past)  # of one precision, whatever that of the step
        return logits

    def memories(self) -> tuple[Tensor, Tensor]:
        """Copies of what is remembered of real and of fake pictures, (memory, C, h, w) each; (0,) before the first."""
        return self.past_real.clone(), self.past_fake.clone()

    @property
    def learns(self) -> bool:
        """Whether this is its own turn."""
        return torch.is_grad_enabled() and any(p.requires_grad for p in self.head.parameters())

    def remembered(self, like: Tensor, past: Stream | Tensor | None) -> list[Tensor]:
        """Earlier features that fit those at hand: none at first, or where pictures have another size."""
        if isinstance(past, Tensor):
            memories = [past]
        else:
            streams = ("real", "fake") if past is None else (past,)
            memories = [self.get_buffer(f"past_{stream}") for stream in streams]
        if not self.training or any(memory.shape[1:] != like.shape[1:] for memory in memories):
            return []
        return [torch.stack(memories).mean(0).to(like.dtype)]

    def remember(self, features: Tensor, past: Stream) -> None:
        kept, name = self.get_buffer(f"past_{past}"), f"past_{past}"
        if kept.shape[1:] != features.shape[1:]:
            times = -(-self.memory // len(features))
            self.register_buffer(name, features.repeat(times, 1, 1, 1)[-self.memory :].clone())
        else:
            kept.copy_(torch.cat([kept, features])[-self.memory :])

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        for name in ("past_real", "past_fake"):  # as large as what was remembered
            if (stored := state_dict.get(prefix + name)) is not None and stored.shape != self.get_buffer(name).shape:
                self.register_buffer(name, torch.zeros_like(stored, device=self.get_buffer(name).device))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def extra_repr(self) -> str:
        return f"memory={self.memory}"
