"""One training step: every turn's forward, backward and update, in the method's order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gankit.augment.base import Augment
from gankit.contracts import OptimizerContract
from gankit.core.errors import BuildError
from gankit.features import load_own_state, own_parameters, own_state
from gankit.methods.base import Method
from gankit.methods.plan import Term, plan_turns
from gankit.methods.turns import TurnModule
from gankit.norms.bounded import clamp
from gankit.optimizers.gradient import Adam
from gankit.training.average import Average
from gankit.training.devices import Devices
from gankit.training.passes import Batch, Passes
from gankit.training.pool import ImagePool
from gankit.training.reading import Losses, Told
from gankit.training.speed import Speed
from gankit.training.watch import gradient_norms

Factory = Callable[..., Optimizer]
"""Makes an optimizer of `params`: a class, or a partial of one."""


TUNED_SIZES = 4
"""Sizes of pictures, of input and target say, for which cuDNN tries its algorithms; with more, sizes vary, and it would
try them all the time."""


class Stepper:
    """Plays the turns of a method. What research code needs to train in a loop of its own:

        stepper = Stepper(CycleGAN(), {"adversarial": LSGAN(), "cycle": Term(Cycle(), weight=10)})
        for batch in loader:
            losses = stepper.step(batch)   # {"generator/cycle/a2b": 1.23, ...}

    Parameters
    ----------
    method: the networks and tensors; moved to the device.
    terms: name -> a `Term`, or a loss (weight 1).
    optimizer: a factory, such as `partial(AdamW, lr=1e-4)`: called with the parameters of each turn.
    optimizers: factories for only some turns, by the turn's name or side.
    pool_size: past fakes that critics are shown again (Shrivastava et al., arXiv 1612.07828); 0: none.
    ema: decay of the running mean of the generators' weights, kept as `self.ema`; None: none.
    clip_norm: largest norm of a turn's gradient.
    devices: device, precision, processes; default: this process, fp32, CPU or the first GPU.
    speed: what makes steps faster or smaller; default: nothing, plain eager torch.
    augments: the augments between pictures and critics, in their order.
    turns: what `plan_turns` made of these, where it has been called; default: it is called here.
    watch: what a step tells of itself besides what critics say: `gradients`, the norms of the gradients.

    Raises
    ------
    BuildError when a loss asks for a tensor that the method does not offer, and for options of speed and for optimizers
    that the device or the method cannot have. TrainingError when a term is not finite:
    on a CPU from the `step` that computed it; on other devices, which are not waited for, from the next `step` or from
    a look at the losses.
    """

    def __init__(
        self,
        method: Method,
        terms: Mapping[str, Term | nn.Module],
        optimizer: Factory = Adam,
        optimizers: Mapping[str, Factory] | None = None,
        pool_size: int = 50,
        ema: float | None = None,
        clip_norm: float | None = None,
        devices: Devices | None = None,
        speed: Speed | None = None,
        augments: Sequence[Augment] = (),
        turns: list[TurnModule] | None = None,
        watch: Collection[str] = (),
    ) -> None:
        self.devices = devices or Devices.open()
        self.speed = speed or Speed()
        self.method = method.to(self.devices.device)
        if self.speed.channels_last:
            for network in method.networks.values():
                network.to(memory_format=torch.channels_last)
        self.terms = {name: t if isinstance(t, Term) else Term(t) for name, t in terms.items()}
        self.augments = list(augments)
        self.turns = plan_turns(method, self.terms, self.augments) if turns is None else turns
        for turn in self.turns:
            turn.to(self.devices.device)
        self.optimizers = self._make_optimizers(optimizer, optimizers or {})
        self.base_rates = {name: [g["lr"] for g in o.param_groups] for name, o in self.optimizers.items()}
        self._unread: Losses | None = None
        self.pools = {d: ImagePool(pool_size) for d in method.directions}
        self.scaler = self.devices.scaler()
        self.passes = Passes(method, self.turns, self.speed, self.devices, self.scaler)
        self.clip_norm = clip_norm
        self.watch = frozenset(watch)
        self.steps = 0
        self._sizes: set[torch.Size] = set()  # of the pictures so far
        self.ema = Average(self.players, ema) if ema else None
        if ema and self._averaging():
            raise BuildError(("train", "ema"), "the optimizer averages what it trains already: remove this")
        learned = (p for term in self.terms.values() for p in own_parameters(term.loss))
        self.devices.broadcast([*method.parameters(), *method.buffers(), *learned])

    # -- the step --------------------------------------------------------------------------------------------------
    def step(self, batches: Batch | Sequence[Batch]) -> Losses:
        """One update of every turn that is due.

        batches: fields by name, each (N, C, H, W) in [-1, 1]; or a sequence of such, whose gradients are accumulated
        into one update. Returns the weighted terms by `turn/term/direction`, which are read from the device when they
        are looked at first (see `Losses`). Its `watched` are the means of what critics said of real and of fake
        pictures, before their update, as `critics/DIRECTION/real` and `.../fake`, of attention maps, as
        `attention/DIRECTION`, where outputs are composed with them, and, where they are asked for, the
        norms of each network's gradient, before they are clipped, as `gradients/NETWORK`.
        """
        batches = [batches] if isinstance(batches, Mapping) else list(batches)
        batches = [{k: self._placed(v) for k, v in b.items()} for b in batches]
        self._sizes |= {v.shape[-2:] for b in batches for v in b.values() if v.ndim == 4}
        due = [turn for turn in self.turns if self.steps % turn.turn.every == 0]
        with self.devices.arithmetic(tune=len(self._sizes) <= TUNED_SIZES), self.passes.step(batches, due, self.steps):
            told = self._turns(due, batches)
        for augment in self.augments:
            augment.adjust(self.steps, self.devices.add)
        self.steps += 1
        if self.ema is not None:
            self.ema.update(self.players)
        return self._checked(told)

    def _placed(self, x: Tensor) -> Tensor:
        """A tensor of a batch on the device, in the memory format of the networks."""
        x = x.to(self.devices.device, non_blocking=True)
        return x.contiguous(memory_format=torch.channels_last) if self.speed.channels_last and x.ndim == 4 else x

    def _turns(self, due: Sequence[TurnModule], batches: Sequence[Batch]) -> Told:
        """Play the turns that are due."""
        carried: list[dict[str, Any]] = [{} for _ in batches]  # fakes of this step, for the critics
        ahead: list[dict[str, Any]] = [{} for _ in batches]  # the generator's forward, when the critic plays first
        told = Told({}, {})
        for number, turn in enumerate(due):
            if turn.needs:
                self._prepare(turn, due[number + 1 :], batches, carried, ahead)
            losses, watched = self._play(turn, batches, carried, ahead)
            told.losses.update(losses)
            told.watched.update(watched)
        return told

    def _prepare(
        self,
        critic: TurnModule,
        later: Sequence[TurnModule],
        batches: Sequence[Batch],
        carried: list[dict],
        ahead: list[dict],
    ) -> None:
        """Make the fakes that a critic needs and no turn has made yet in this step."""
        if all(key in carried[0] for key in critic.needs):
            return
        maker = next((t for t in later if t.turn.side == "generator" and set(critic.needs) <= set(t.carries)), None)
        for i, batch in enumerate(batches):
            if maker is not None and len(batches) == 1 and self.method.shares_forward:
                ahead[i] = self.passes.ahead(maker, batch)  # one forward serves both turns
                carried[i] |= {key: ahead[i][key] for key in maker.carries}
            else:
                carried[i] |= _kept(self.passes.fakes(critic, batch), len(batches))

    def _play(self, turn: TurnModule, batches: Sequence[Batch], carried: list[dict], ahead: list[dict]) -> Told:
        """One turn: the gradient of its losses over all the batches, then its optimizer's step."""
        optimizer = self.optimizers[turn.turn.name]
        with self.passes.learning(turn) as parameters:
            if OptimizerContract(optimizer).searches:
                return self._search(optimizer, turn, batches, carried, parameters)
            optimizer.zero_grad(set_to_none=True)
            fakes = [self._fakes(turn, values) for values in carried]
            told = self._gradient(turn, batches, fakes, ahead, carried, parameters)
            told.watched.update(self._update(optimizer, turn, parameters))
            return told

    def _gradient(
        self,
        turn: TurnModule,
        batches: Sequence[Batch],
        fakes: list[dict],
        ahead: list[dict],
        carried: list[dict],
        parameters: list[nn.Parameter],
        record: bool = True,
    ) -> Told:
        """Add the gradient of a turn's losses, their mean over the batches, to its parameters."""
        told = Told({}, {})
        phase, n = turn.phase(self.steps), len(batches)
        for i, batch in enumerate(batches):
            before = {} if turn.needs else ahead[i]
            losses, values = self.passes.gradient(turn, batch, fakes[i], before, phase, n, parameters, record)
            carried[i] |= (values := _kept(values, n))
            told.add(_kept(losses, n), {name: values[name] for name in turn.said})
        return told

    def _search(
        self,
        optimizer: Optimizer,
        turn: TurnModule,
        batches: Sequence[Batch],
        carried: list[dict],
        parameters: list[nn.Parameter],
    ) -> Told:
        """The turn of an optimizer that asks for the objective at several points; what it tells is of the first."""
        fakes = [self._fakes(turn, values) for values in carried]
        nothing: list[dict[str, Any]] = [{} for _ in batches]  # a forward ahead serves one point only
        tensors: list[dict[str, Any]] = []
        first: list[Told] = []

        def objective() -> Tensor:
            optimizer.zero_grad(set_to_none=True)
            points: list[dict[str, Any]] = [{} for _ in batches]
            told = self._gradient(turn, batches, fakes, nothing, points, parameters, record=False)
            told.watched.update(self._average_and_clip(parameters, turn, optimizer))
            value = self._stacked(told.losses).sum()
            self.devices.average([value])
            if not tensors:
                tensors.extend(points)
                first.append(told)
            return value

        optimizer.step(objective)  # type: ignore[arg-type]
        for known, values in zip(carried, tensors, strict=True):
            known |= values
        return first[0]

    def _fakes(self, turn: TurnModule, carried: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What a critic is shown: the fakes, detached, through the pool of their direction."""
        fakes: dict[str, Tensor] = {}
        for direction, pool in self.pools.items():
            keys = [key for key in turn.needs if key.endswith(f"@{direction}")]
            if keys:
                shown = pool.query(tuple(carried[key].detach() for key in keys))
                fakes |= {key: self._placed(value) for key, value in zip(keys, shown, strict=True)}
        return fakes

    def _update(self, optimizer: Optimizer, turn: TurnModule, parameters: list[nn.Parameter]) -> dict[str, Tensor]:
        """The optimizer's step, where there is a gradient; what is watched of it."""
        if all(p.grad is None for p in parameters):
            return {}
        watched = self._average_and_clip(parameters, turn, optimizer)
        self.scaler.step(optimizer)
        self.scaler.update()
        return watched

    def _average_and_clip(
        self, parameters: list[nn.Parameter], turn: TurnModule, optimizer: Optimizer
    ) -> dict[str, Tensor]:
        """Make the gradient that of all processes, and no longer than it may be; its norms of before, if watched."""
        self.devices.average([p.grad for p in parameters if p.grad is not None])
        watching = "gradients" in self.watch
        if watching or self.clip_norm is not None:
            self.scaler.unscale_(optimizer)
        watched = gradient_norms(self.method, turn.turn) if watching else {}
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, self.clip_norm)
        return watched

    def _checked(self, told: Told) -> Losses:
        """The losses of this step. Those of the step before are there by now, and checked; on a CPU these are."""
        values = self._stacked({**told.losses, **told.watched})
        self.devices.average([values])
        losses = Losses(self.steps, list(told.losses), values, list(told.watched))
        before, self._unread = self._unread, losses
        checked = self._unread if self.devices.device.type == "cpu" else before
        if checked is not None:
            checked.read()
        return self._unread

    def _stacked(self, numbers: Mapping[str, Tensor]) -> Tensor:
        """Numbers one after the other, on the device also where there are none: other processes wait for them."""
        return torch.stack(list(numbers.values())) if numbers else torch.zeros(0, device=self.devices.device)

    # -- schedule and state ------------------------------------------------------------------------------------------
    def set_rate(self, factor: float) -> dict[str, float]:
        """Multiply every optimizer's learning rate at the start by `factor`; returns the rates now, by turn."""
        for name, optimizer in self.optimizers.items():
            for group, rate in zip(optimizer.param_groups, self.base_rates[name], strict=True):
                group["lr"] = rate * factor
        return {name: o.param_groups[0]["lr"] for name, o in self.optimizers.items()}

    @property
    def players(self) -> nn.ModuleDict:
        """The networks of the generators' turns: what makes pictures."""
        keys = {k: None for t in self.method.turns() if t.side == "generator" for k in self.method.trained_by(t)}
        return nn.ModuleDict({key: self.method.networks[key] for key in keys})

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within this, the method's players are the averaged ones, if there is an average."""
        networks, players = self.method.networks, dict(self.players.items())
        try:
            with ExitStack() as stack:
                for optimizer, average in self._averaging():
                    stack.enter_context(average())
                    clamp(optimizer)
                if self.ema is not None:
                    networks.update(dict(cast(nn.ModuleDict, self.ema.module).items()))
                yield
        finally:
            networks.update(players)

    def average(self) -> dict[str, Tensor] | None:
        """The state of the averaged players, if there is an average."""
        if self.ema is not None:
            return own_state(self.ema.module)
        if not self._averaging():
            return None
        with self.averaged():
            return {name: value.clone() for name, value in own_state(self.players).items()}

    def _averaging(self) -> list[tuple[Optimizer, Callable[[], AbstractContextManager[None]]]]:
        """The optimizers that average what they train, and the way to the average."""
        ways = [(optimizer, OptimizerContract(optimizer).averaged) for optimizer in self.optimizers.values()]
        return [(optimizer, average) for optimizer, average in ways if average is not None]

    def state_dict(self) -> dict[str, Any]:
        """All but the networks and the pools: the same in every process."""
        return {
            "steps": self.steps,
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
            "scaler": self.scaler.state_dict(),
            "losses": {name: own_state(term.loss) for name, term in self.terms.items()},
            "method": {k: v for k, v in self.method.state_dict().items() if not k.startswith("networks.")},
            "augments": [augment.state_dict() for augment in self.augments],
            "averaged": 0 if self.ema is None else self.ema.updates,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave. KeyError, ValueError or RuntimeError when it is another stepper's."""
        self.steps = state["steps"]
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(_on_its_device(state["optimizers"][name], optimizer))
            _lay_as_parameters(optimizer)
        self.scaler.load_state_dict(state["scaler"])
        for name, term in self.terms.items():
            stored = state["losses"][name]
            if stored.keys() != own_state(term.loss).keys():
                raise ValueError(f"the loss {name} is another one")
            load_own_state(term.loss, stored)
        for augment, stored in zip(self.augments, state["augments"], strict=True):
            augment.load_state_dict(dict(stored))
        self.method.load_state_dict(dict(state["method"]), strict=False)
        if self.ema is not None:
            self.ema.updates = state["averaged"]

    def _make_optimizers(self, optimizer: Factory, by_turn: Mapping[str, Factory]) -> dict[str, Optimizer]:
        optimizers: dict[str, Optimizer] = {}
        for number, module in enumerate(self.turns):
            turn = module.turn
            if not any(p.requires_grad for p in module.parameters_trained()):
                raise BuildError(
                    ("method",), f"the turn {turn.name} trains nothing: no parameter of its networks learns"
                )
            factory = by_turn.get(turn.name, by_turn.get(turn.side, optimizer))
            optimizers[turn.name] = one = factory(module.parameters_trained())
            contract = OptimizerContract(one)
            contract.take_turn(number, len(self.turns))
            name = type(one).__name__
            if contract.searches and self.devices.precision == "fp16":
                text = f"{name} cannot scale its losses, as fp16 needs: set train.precision to fp32 or bf16"
                raise BuildError(("train", "optimizer"), text)
            if contract.plain_layout and self.speed.channels_last:
                raise BuildError(("train", "channels_last"), f"{name} takes parameters only in the usual memory layout")
        return optimizers


def _kept(values: Mapping[str, Tensor], batches: int) -> dict[str, Tensor]:
    """Values that the next of several batches does not overwrite, where passes are recorded."""
    return {key: value.clone() if batches > 1 else value for key, value in values.items()}


def _on_its_device(state: Mapping[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    """A stored state with this optimizer's choice of how to compute, which is the device's business."""
    groups = zip(state["param_groups"], optimizer.param_groups, strict=True)
    return {**state, "param_groups": [old | {"fused": new["fused"]} if "fused" in new else old for old, new in groups]}


def _lay_as_parameters(optimizer: Optimizer) -> None:
    """Bring loaded state into the memory format of its parameters: fused updates walk through both side by side."""
    for p, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == p.shape and value.stride() != p.stride():
                state[name] = torch.empty_like(p, dtype=value.dtype).copy_(value)
