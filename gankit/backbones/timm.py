"""Any network of timm."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import timm
import torch
from timm.layers.format import Format
from timm.layers.patch_embed import PatchEmbed
from torch import Tensor, nn

from gankit.backbones.chain import SEED, state_in
from gankit.backbones.normalize import Normalize
from gankit.features import FeatureNet, Features
from gankit.precision import full
from gankit.slots import Ge, Le
from gankit.weights import Found, WeightsError, find, hugging_face


class Timm(FeatureNet):
    """Any network of timm (10.5281/zenodo.4414861) that gives features, cut behind the deepest of those wanted.

    forward: pictures (N, 3, H, W) in [-1, 1], layers -> Features, each (N, C, h, w). Layers go by their number, `0` the
    finest, or by timm's name of the module, such as `layer2`.

    Args:
        layers: which layers are wanted. If it is empty, they are those of `out_indices`.
        model: timm's name of the network, with or without a tag of its weights: `resnet18`, `resnet18.a1_in1k`.
        out_indices: the layers that are wanted, by number. If it is empty, the network is as deep as `layers` needs,
            and gives all layers where `layers` is empty too.
        weights: `pretrained` (the store's, or timm's own download), `random`, or a path; see docs/weights.md.
        normalize: how pictures are normalized first. `model` does what the weights expect, by timm's account. For
            `imagenet` and `none` see `gankit.backbones.normalize`.
        image_size: the side of the pictures, for a network that takes one size alone, as most vision transformers do;
            what it has learned of positions is interpolated. If it is not given, it is the size timm names.

    Raises ValueError for a network or a layer that does not exist, and for weights that are missing or do not fit.
    """

    def __init__(
        self,
        layers: Sequence[str],
        *,
        model: str = "resnet18",
        out_indices: tuple[int, ...] = (),
        weights: str = "pretrained",
        normalize: Literal["model", "imagenet", "none"] = "model",
        image_size: Annotated[int, Ge(1), Le(8192)] | None = None,
    ) -> None:
        super().__init__()
        self.model, self.weights = model, weights
        self.sized = {} if image_size is None else {"img_size": image_size}
        self.names = modules_of(model)
        if wrong := [i for i in out_indices if not 0 <= i < len(self.names)]:
            raise ValueError(f"{model} has features 0 to {len(self.names) - 1}, not {wrong[0]}")
        chosen = {*out_indices, *map(self._index, layers)} or set(range(len(self.names)))
        self.wanted = tuple(sorted(chosen))
        self.depth = 1 + max(chosen)
        file = None if weights == "random" else self._find()
        self.body = self._build(file)
        self.only_size = _only_size(self.body)
        self.normalize = _normalization(self.body, normalize)
        self.key = ("timm", model, normalize, image_size, ("sha256", file.sha256) if file else ("random", SEED))
        self.requires_grad_(False)
        self.train(False)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Those that were asked for first, by number; then all that it can give."""
        numbers = map(str, dict.fromkeys((*self.wanted, *range(self.depth))))
        return (*numbers, *self.names[: self.depth])

    @property
    def default_layers(self) -> tuple[str, ...]:
        return tuple(map(str, self.wanted))

    def forward(self, x: Tensor, layers: Sequence[str]) -> Features:
        asked = {name: self._index(name) for name in layers}
        if late := [name for name, index in asked.items() if index >= self.depth]:
            raise ValueError(f"this {self.model} was built up to feature {self.depth - 1}, not to {late[0]}")
        if self.only_size and self.only_size != x.shape[-2:]:
            sides = " x ".join(map(str, self.only_size)), " x ".join(map(str, x.shape[-2:]))
            raise ValueError(f"{self.model} takes pictures of {sides[0]} px, not of {sides[1]}; set its image_size")
        x = self.normalize(full(x)).to(next(self.parameters()).dtype)
        taps = self.body(x)
        if getattr(self.body, "output_fmt", None) == Format.NHWC:  # as of Swin
            taps = [tap.permute(0, 3, 1, 2) for tap in taps]
        return Features({name: taps[index] for name, index in asked.items()})

    def _index(self, name: str) -> int:
        if name.isdecimal() and int(name) < len(self.names):
            return int(name)
        if name not in self.names:
            known = ", ".join(f"{i} ({module})" for i, module in enumerate(self.names))
            raise ValueError(f"{self.model} has no feature '{name}'; it has {known}")
        return self.names.index(name)

    def _find(self) -> Found:
        config = timm.get_pretrained_cfg(self.model)
        name = (config and config.hf_hub_filename) or "model.safetensors"
        source = hugging_face(self.model, config.hf_hub_id, name) if config and config.hf_hub_id else None
        return find(self.model, self.weights, fetch=not _on_meta(), source=source)

    def _build(self, found: Found | None) -> nn.Module:
        path = None if found is None or _on_meta() else found.path
        more: dict[str, Any] = {}
        if path is not None:
            more["pretrained_cfg_overlay"] = {"state_dict": dict(state_in(self.model, path))}
        try:
            drawn = self._draw()
            if path is None:
                return drawn
            network = self._draw(pretrained=True, **more)
        except (RuntimeError, KeyError, TypeError, ValueError, AssertionError) as e:
            if "unexpected keyword argument 'img_size'" in str(e):
                raise ValueError(f"{self.model} takes pictures of any size: remove image_size") from e
            if path is None:
                sized = "".join(f" for pictures of {side} px" for side in self.sized.values())
                raise ValueError(f"timm cannot make {self.model}{sized}: {str(e) or type(e).__name__}") from e
            first = str(e).strip().splitlines()
            raise WeightsError(f"{path} holds no weights of {self.model}: {' '.join(first[:2])}") from e
        before = dict(drawn.named_parameters())  # timm says nothing of weights that a file lacks
        for name, weight in network.named_parameters():
            if weight.ndim > 1 and torch.equal(weight, before[name]):
                raise WeightsError(f"{path} holds no weights of {self.model}: it lacks {name}")
        return network

    def _draw(self, **arguments: Any) -> Any:
        with torch.random.fork_rng(devices=[]):  # timm draws weights before it loads any
            torch.manual_seed(SEED)
            return _create(self.model, out_indices=tuple(range(self.depth)), **self.sized, **arguments)

    def extra_repr(self) -> str:
        return f"model={self.model!r}, weights={self.weights!r}, up to {self.depth - 1} ({self.names[self.depth - 1]})"


def _on_meta() -> bool:
    return torch.get_default_device().type == "meta"


def _only_size(body: nn.Module) -> tuple[int, int] | None:
    """The height and width that a network is made for, if it takes no others."""
    for module in body.modules():
        if isinstance(module, PatchEmbed):
            size: Any = module.img_size
            return size if module.strict_img_size else None
    return None


def _create(model: str, **arguments: Any) -> Any:
    return timm.create_model(model, features_only=True, **arguments)


@functools.cache
def modules_of(model: str) -> tuple[str, ...]:
    """The modules of a network of timm whose outputs are its features, the finest first. Raises ValueError."""
    if not timm.is_model(model.split(".")[0]):
        near = timm.list_models(f"*{model.split('.')[0]}*")[:5]
        raise ValueError(f"timm has no network '{model}'" + (f"; it has {', '.join(near)}" if near else ""))
    try:
        with torch.device("meta"):
            info = _create(model, pretrained=False).feature_info
    except Exception as e:
        raise ValueError(f"timm gives no features of {model}: {e}") from e
    return tuple(row["module"] for row in info.info)


def _normalization(body: Any, kind: str) -> Normalize:
    config = body.pretrained_cfg or {}
    values = {k: tuple(config[k]) for k in ("mean", "std") if kind == "model" and config.get(k)}
    return Normalize("none" if kind == "none" else "imagenet", **values)
