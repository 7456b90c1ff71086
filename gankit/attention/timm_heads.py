"""Channel and spatial attentions of timm under the one interface of attention heads.

Each class: (N, C, H, W) -> Attended(features (N, C, H, W), None, None). timm is imported when a head is built.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from gankit.slots import Attended, Ge, Gt, Le

Ratio = Annotated[float, Gt(0), Le(1)]


class _Timm(nn.Module):
    """An attention of timm, wrapped."""

    has_map = False
    has_logits = False

    def __init__(self, channels: int, attention: nn.Module) -> None:
        super().__init__()
        self.channels = channels
        self.attention = attention

    def forward(self, x: Tensor) -> Attended:
        return Attended(self.attention(x))

    def extra_repr(self) -> str:
        return f"{self.channels}"


class SE(_Timm):
    """Squeeze-and-excitation: a perceptron on the channels' averages gates the channels.

    (N, C, H, W) -> Attended(features (N, C, H, W), None, None).

    Args:
        reduction: hidden channels of the perceptron as a share of C.

    Paper: arXiv 1709.01507; timm's `SEModule` (hidden channels rounded to multiples of 8).
    """

    def __init__(self, channels: int, *, reduction: Ratio = 1 / 16) -> None:
        from timm.layers.squeeze_excite import SEModule

        super().__init__(channels, SEModule(channels, rd_ratio=reduction))


class EffectiveSE(_Timm):
    """Effective squeeze-and-excitation: SE with one layer and no reduction, gated by a hard sigmoid.

    (N, C, H, W) -> Attended(features (N, C, H, W), None, None).

    Paper: arXiv 1911.06667; timm's `EffectiveSEModule`.
    """

    def __init__(self, channels: int) -> None:
        from timm.layers.squeeze_excite import EffectiveSEModule

        super().__init__(channels, EffectiveSEModule(channels))


class ECA(_Timm):
    """Efficient channel attention: a 1-d convolution over the channels' averages gates the channels.

    (N, C, H, W) -> Attended(features (N, C, H, W), None, None). The kernel's size follows from C, as in the paper.

    Paper: arXiv 1910.03151; timm's `EcaModule`.
    """

    def __init__(self, channels: int) -> None:
        from timm.layers.eca import EcaModule

        super().__init__(channels, EcaModule(channels))


class CircularECA(_Timm):
    """Circular efficient channel attention: ECA whose convolution wraps around from the last channel to the first.

    (N, C, H, W) -> Attended(features (N, C, H, W), None, None).

    Source: timm's `CecaModule` (after arXiv 1910.03151).
    """

    def __init__(self, channels: int) -> None:
        from timm.layers.eca import CecaModule

        super().__init__(channels, CecaModule(channels))


class GatherExcite(_Timm):
    """Gather-excite without parameters: the average over a neighbourhood gates each place and channel.

    (N, C, H, W) -> Attended(features (N, C, H, W), None, None).

    Args:
        extent: the stride of the neighbourhoods, an even number. Each is 2 * extent - 1 wide. 0 gathers over the whole
            map.

    Raises:
        ValueError: an odd extent.

    Paper: arXiv 1810.12348 (GE-theta-minus); timm's `GatherExcite`.
    """

    def __init__(self, channels: int, *, extent: Annotated[int, Ge(0), Le(15)] = 0) -> None:
        from timm.layers.gather_excite import GatherExcite as Module

        if extent % 2:
            raise ValueError(f"extent must be even; got {extent}")
        # timm 1.0.31 cannot build the form with a perceptron: it passes the device as the activation.
        super().__init__(channels, Module(channels, extent=extent, use_mlp=False))


class GlobalContext(_Timm):
    """Global context: a softmax over the places pools the features, and a perceptron on the result gates the channels.

    (N, C, H, W) -> Attended(features (N, C, H, W), None, None).

    Args:
        reduction: hidden channels of the perceptron as a share of C.

    Paper: arXiv 1904.11492; timm's `GlobalContext` (it scales; the paper's block adds).
    """

    def __init__(self, channels: int, *, reduction: Ratio = 1 / 8) -> None:
        from timm.layers.global_context import GlobalContext as Module

        super().__init__(channels, Module(channels, rd_ratio=reduction))


class CBAM(_Timm):
    """Convolutional block attention: a gate of the channels, then a gate of the places.

    (N, C, H, W) -> Attended(features (N, C, H, W), None, None).

    Args:
        reduction: hidden channels of the channel gate as a share of C.

    Paper: arXiv 1807.06521; timm's `CbamModule`, whose gate of the places has a batch norm.
    """

    def __init__(self, channels: int, *, reduction: Ratio = 1 / 16) -> None:
        from timm.layers.cbam import CbamModule

        super().__init__(channels, CbamModule(channels, rd_ratio=reduction))


class LightCBAM(_Timm):
    """A cheaper CBAM: averages and maxima are joined before each gate instead of after.

    (N, C, H, W) -> Attended(features (N, C, H, W), None, None).

    Args:
        reduction: hidden channels of the channel gate as a share of C.

    Source: timm's `LightCbamModule` (after arXiv 1807.06521), whose gate of the places has a batch norm.
    """

    def __init__(self, channels: int, *, reduction: Ratio = 1 / 16) -> None:
        from timm.layers.cbam import LightCbamModule

        super().__init__(channels, LightCbamModule(channels, rd_ratio=reduction))


class NonLocal(_Timm):
    """Non-local block: every place attends to every other; the result is added through a batch norm.

    (N, C, H, W) -> Attended(features (N, C, H, W), None, None). Work and memory grow with (H*W)^2.

    Args:
        reduction: inner channels as a share of C.

    Paper: arXiv 1711.07971; timm's `NonLocalAttn`.
    """

    def __init__(self, channels: int, *, reduction: Ratio = 1 / 8) -> None:
        from timm.layers.non_local_attn import NonLocalAttn

        super().__init__(channels, NonLocalAttn(channels, rd_ratio=reduction))
