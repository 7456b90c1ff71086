"""Backbones that are one chain of layers, each of which can be tapped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from gankit.backbones.normalize import Normalization, Normalize
from gankit.features import FeatureNet, Features
from gankit.precision import full
from gankit.weights import WeightsError, find
from gankit.weights.files import UnfitFile, read
from gankit.weights.unwrap import State

Steps = Sequence[tuple[str, Callable[[], nn.Module]]]
"""The layers of a chain by name, in order, each as what makes it."""
SEED = 0
"""Of random weights: they are the same wherever they are asked for."""


class Chain(FeatureNet):
    """Base of VGG, AlexNet and SqueezeNet, whose layers stand in one `nn.Sequential`, under torchvision's keys.

    Args:
        layers: the features that are wanted; the chain is built as far as the last of them. Empty: all of it.
        steps: the layers by name.
        weights: `pretrained`, `random`, or the path of a file or of a folder that has it.
        normalize: what the weights expect; see `Normalize`.
        form: what else makes this network another than one of the same class and weights.

    Raises ValueError for a layer that does not exist, and for weights that are missing or do not fit.
    """

    aliases: ClassVar[dict[str, str]] = {}
    """Other names of layers."""

    def __init__(
        self, layers: Sequence[str], steps: Steps, weights: str, normalize: Normalization, form: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.names = tuple(name for name, _ in steps)
        self.depth = 1 + max((self._index(name) for name in layers), default=len(steps) - 1)
        self.weights = weights
        self.normalize = Normalize(normalize)
        self.features = nn.Sequential(*(make() for _, make in steps[: self.depth]))
        self.key = (type(self).__qualname__, *form, normalize, self._fill())
        self.requires_grad_(False)
        self.train(False)

    @property
    def layer_names(self) -> tuple[str, ...]:
        reached = self.names[: self.depth]
        return (*reached, *(alias for alias, name in self.aliases.items() if name in reached))

    @property
    def last_layer(self) -> str:
        return self.names[self.depth - 1]

    def forward(self, x: Tensor, layers: Sequence[str]) -> Features:
        wanted = {self._index(name): name for name in layers}
        asked = {name: self._index(name) for name in layers}
        last = max(wanted, default=-1)
        if last >= self.depth:
            raise ValueError(f"this {self.network} was built up to {self.names[self.depth - 1]}, not to {wanted[last]}")
        taps: dict[int, Tensor] = {}
        x = self.normalize(full(x)).to(self.dtype)
        for index, layer in enumerate(self.features[: last + 1]):
            x = self._step(index, layer, x)
            if index in wanted:
                taps[index] = x
        return Features({name: taps[index] for name, index in asked.items()})

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def _step(self, index: int, layer: nn.Module, x: Tensor) -> Tensor:
        if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d) and min(x.shape[-2:]) < 2:
            raise ValueError(f"the pictures are too small for {self.network} up to {self.names[index]}")
        return layer(x)

    def _index(self, name: str) -> int:
        plain = self.aliases.get(name, name)
        if plain not in self.names:
            known = ", ".join((*self.names, *self.aliases))
            raise ValueError(f"{self.network} has no layer '{name}'; it has {known}")
        return self.names.index(plain)

    def key_of(self, parameter: str) -> str:
        """What the file of weights calls a parameter."""
        return parameter

    def _fill(self) -> tuple[str, str | int]:
        """Load or draw the weights; what tells them from others."""
        if self.weights == "random":
            draw(self.features)
            return "random", SEED
        on_meta = any(p.is_meta for p in self.parameters())
        file = find(self.network, self.weights, fetch=not on_meta)
        if file.path is not None and not on_meta:
            load(self, self.network, file.path, self.key_of)
        return "sha256", file.sha256

    def extra_repr(self) -> str:
        return f"weights={self.weights!r}, normalize={self.normalize.kind!r}, up to {self.names[self.depth - 1]}"


def conv(inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    """A convolution whose weights are not drawn: that would move torch's random generator."""
    layer = nn.utils.skip_init(
        nn.Conv2d, inputs, outputs, size, stride=stride, padding=padding, device=torch.get_default_device()
    )
    assert isinstance(layer, nn.Conv2d)
    return layer


@torch.no_grad()
def draw(module: nn.Module) -> None:
    """Kaiming-normal weights and no biases, from a generator of their own; nothing on the meta device.

    Of two networks whose layers begin alike, these layers are equal.
    """
    generator = torch.Generator("cpu").manual_seed(SEED)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and not layer.weight.is_meta:
            fan_in = layer.weight[0].numel()
            drawn = torch.randn(layer.weight.shape, generator=generator, device="cpu")
            layer.weight.copy_(drawn * (2 / fan_in) ** 0.5)
            if layer.bias is not None:
                layer.bias.zero_()


@torch.no_grad()
def load(module: nn.Module, network: str, path: Path, key_of: Callable[[str], str] = str) -> None:
    """Copy the weights of a file in, whatever precision it has. Deeper layers, and a classifier, may stand there too.

    key_of: name of a parameter -> its key in the file. Raises WeightsError.
    """
    state = state_in(network, path)
    for name, parameter in module.named_parameters():
        key = key_of(name)
        if key not in state:
            raise WeightsError(f"{path} holds no weights of {network}: it lacks {key}")
        if state[key].shape != parameter.shape:
            shape, wanted = tuple(state[key].shape), tuple(parameter.shape)
            raise WeightsError(f"{path} holds no weights of {network}: {key} is {shape} instead of {wanted}")
        parameter.copy_(state[key])


def state_in(network: str, path: Path) -> State:
    """The state dict in a file. Raises WeightsError."""
    try:
        networks = read(path, mapped=True)
    except UnfitFile as e:
        raise WeightsError(str(e)) from e
    if len(networks) != 1:
        raise WeightsError(
            f"{path} holds several networks ({', '.join(networks)}); choose a file with the weights of {network}"
        )
    return next(iter(networks.values())).state
