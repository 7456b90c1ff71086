"""Optimizers by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.optim import LBFGS, SGD, Adam, AdamW, Optimizer, RMSprop


@dataclass(frozen=True)
class OptimizerConfig:
    """What a recipe says of an optimizer. The defaults are CycleGAN's.

    type: `adam` (its weight_decay is an L2 term, as in U-GAT-IT), `adamw`, `sgd`, `rmsprop`, `tf_adam`, see TFAdam, or
    `lbfgs`, with an lr of about 1, for objectives that do not change from step to step.
    betas, eps: of the Adams (eps of rmsprop too). momentum: of sgd and rmsprop. alpha: of rmsprop. max_iter,
    history_size, line_search_fn: of lbfgs.
    """

    type: Literal["adam", "adamw", "sgd", "rmsprop", "tf_adam", "lbfgs"] = "adam"
    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    alpha: float = 0.99
    max_iter: int = 20
    history_size: int = 100
    line_search_fn: Literal["strong_wolfe"] | None = None


def make(
    config: OptimizerConfig | Mapping[str, Any],
    params: Iterable[Tensor],
    *,
    stride: int = 1,
    offset: int = 0,
    fused: bool = False,
) -> Optimizer:
    """The optimizer that `config` describes. stride, offset: of TFAdam, the others have no use for them. fused: update
    all parameters in one pass over the memory where the type can, adam and adamw; they must lie on a device that has
    values.

    Raises ValueError, in words, for an unknown type or key, and for a setting that this type does not have.
    """
    if not isinstance(config, OptimizerConfig):
        known = [f.name for f in fields(OptimizerConfig)]
        if unknown := sorted(set(config) - set(known)):
            raise ValueError(f"an optimizer has no setting '{unknown[0]}'; it has {', '.join(known)}")
        config = OptimizerConfig(**config)
    if config.type not in _TYPES:
        raise ValueError(f"no optimizer is called '{config.type}'; there are {', '.join(_TYPES)}")
    maker, taken = _TYPES[config.type]
    given = {k: v for k, v in asdict(config).items() if k in taken}
    for name in ("momentum", "weight_decay"):
        if name not in taken and getattr(config, name):
            raise ValueError(f"{config.type} has no {name}; remove it, or choose another optimizer")
    if "betas" in given:
        given["betas"] = tuple(given["betas"])
    if config.type == "tf_adam":
        given |= {"stride": stride, "offset": offset}
    if fused and config.type in _FUSED:
        given["fused"] = True
    return maker(params, **given)


def state_bytes(config: OptimizerConfig, params: Iterable[Tensor]) -> int:
    """What the optimizer of `config` keeps besides the parameters and their gradients from its first step on. It is not
    made for that: torch loads its compiler, for seconds, with the first optimizer of a process."""
    momentum = config.momentum > 0
    copies = {"adam": 2, "adamw": 2, "tf_adam": 2, "sgd": momentum, "rmsprop": 1 + momentum}
    copies["lbfgs"] = 3 + 2 * config.history_size  # two past vectors for each of its history, three of the present
    counts_steps = config.type in ("adam", "adamw", "rmsprop")
    return sum(p.nbytes * copies[config.type] + 4 * counts_steps for p in params if p.requires_grad)


class TFAdam(Optimizer):
    """Adam as TensorFlow computes it: lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps).

    That is the "epsilon-hat" form of arXiv 1412.6980, section 2: eps is not corrected for bias. A single TensorFlow
    optimizer that serves several updates of an iteration in turn (AGIT: four) advances one t with each of them: give
    each of the `stride` updates its own TFAdam with its `offset` in the order, so that
    t = stride * iteration + offset + 1. t advances at each step for all parameters, those without a gradient included.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        stride: int = 1,
        offset: int = 0,
    ) -> None:
        if not 0 <= offset < stride:
            raise ValueError(f"offset must lie in 0..stride-1, but offset is {offset} and stride {stride}")
        if lr < 0 or eps < 0 or not all(0 <= b < 1 for b in betas):
            raise ValueError(f"lr and eps must not be negative, betas in [0, 1): {lr=}, {eps=}, {betas=}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, stride=stride, offset=offset, iteration=0))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._update(group, params)
            group["iteration"] += 1
        return loss

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        (b1, b2), t = group["betas"], group["stride"] * group["iteration"] + group["offset"] + 1
        size = group["lr"] * math.sqrt(1 - b2**t) / (1 - b1**t)
        for p in params:
            gradient = cast(Tensor, p.grad)
            state = self.state[p]
            if not state:
                state |= {"m": torch.zeros_like(p), "v": torch.zeros_like(p)}
            state["m"].lerp_(gradient, 1 - b1)
            state["v"].mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
            p.addcdiv_(state["m"], state["v"].sqrt().add_(group["eps"]), value=-size)


def _lbfgs(params: Iterable[Tensor], **given: Any) -> LBFGS:
    """It never stops early: how long to go on is the recipe's business, and torch's thresholds depend on the scale."""
    return LBFGS(params, tolerance_grad=0.0, tolerance_change=0.0, **given)


_FUSED = ("adam", "adamw")
_ADAM = {"lr", "betas", "eps", "weight_decay"}
_TYPES: dict[str, tuple[Callable[..., Optimizer], set[str]]] = {
    "adam": (Adam, _ADAM),
    "adamw": (AdamW, _ADAM),
    "sgd": (SGD, {"lr", "momentum", "weight_decay"}),
    "rmsprop": (RMSprop, {"lr", "eps", "momentum", "weight_decay", "alpha"}),
    "tf_adam": (TFAdam, {"lr", "betas", "eps"}),
    "lbfgs": (_lbfgs, {"lr", "max_iter", "history_size", "line_search_fn"}),
}
