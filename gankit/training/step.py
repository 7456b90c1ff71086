"""One training step: every turn's forward, backward and update, in the method's order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import LBFGS
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gankit.core.errors import BuildError
from gankit.features import own_state
from gankit.methods.base import Method
from gankit.methods.plan import Term, plan_turns
from gankit.methods.turns import TurnModule
from gankit.training.devices import Devices
from gankit.training.optimizers import make
from gankit.training.passes import Batch, Passes
from gankit.training.pool import ImagePool
from gankit.training.reading import Losses
from gankit.training.speed import Speed

FUSED_ON = ("cpu", "cuda")
"""Where Adam updates all parameters in one pass: on the CPU that took 0.29 of the time of torch's loop."""


class Stepper:
    """Plays the turns of a method. What research code needs to train in a loop of its own:

        stepper = Stepper(CycleGAN(), {"adversarial": LSGAN(), "cycle": Term(Cycle(), weight=10)})
        for batch in loader:
            losses = stepper.step(batch)   # {"generator/cycle/a2b": 1.23, ...}

    Parameters
    ----------
    method: the networks and tensors; moved to the device.
    terms: name -> a `Term`, or a loss (weight 1).
    optimizer: options of `gankit.training.optimizers.make`: type, lr, betas, ...
    optimizers: options that differ for one turn, by the turn's name or side.
    pool_size: past fakes that critics are shown again (Shrivastava et al., arXiv 1612.07828); 0: none.
    ema: decay of the running mean of the generators' weights, kept as `self.ema`; None: none.
    clip_norm: largest norm of a turn's gradient.
    devices: device, precision, processes; default: this process, fp32, CPU or the first GPU.
    speed: what makes steps faster or smaller; default: nothing, plain eager torch.

    Raises
    ------
    BuildError when a loss asks for a tensor that the method does not offer, and for options of speed that the device or
    the method cannot have. TrainingError when a term is not finite:
    on a CPU from the `step` that computed it; on other devices, which are not waited for, from the next `step` or from
    a look at the losses.
    """

    def __init__(
        self,
        method: Method,
        terms: Mapping[str, Term | nn.Module],
        optimizer: Mapping[str, Any] | None = None,
        optimizers: Mapping[str, Mapping[str, Any]] | None = None,
        pool_size: int = 50,
        ema: float | None = None,
        clip_norm: float | None = None,
        devices: Devices | None = None,
        speed: Speed | None = None,
    ) -> None:
        self.devices = devices or Devices.open()
        self.speed = speed or Speed()
        self.method = method.to(self.devices.device)
        if self.speed.channels_last:
            for network in method.networks.values():
                network.to(memory_format=torch.channels_last)
        self.terms = {name: t if isinstance(t, Term) else Term(t) for name, t in terms.items()}
        self.turns = plan_turns(method, self.terms)
        for turn in self.turns:
            turn.to(self.devices.device)
        self.optimizers = self._make_optimizers(
            {"type": "adam", "lr": 2e-4, "betas": (0.5, 0.999)} | dict(optimizer or {}), optimizers or {}
        )
        self.base_rates = {name: [g["lr"] for g in o.param_groups] for name, o in self.optimizers.items()}
        self._unread: Losses | None = None
        self.pools = {d: ImagePool(pool_size) for d in method.directions}
        self.scaler = self.devices.scaler()
        self.passes = Passes(method, self.turns, self.speed, self.devices, self.scaler)
        self.clip_norm = clip_norm
        self.steps = 0
        self.ema = self._make_ema(ema) if ema else None
        self.devices.broadcast([*method.parameters(), *method.buffers()])

    # -- the step --------------------------------------------------------------------------------------------------
    def step(self, batches: Batch | Sequence[Batch]) -> Mapping[str, float]:
        """One update of every turn that is due.

        batches: fields by name, each (N, C, H, W) in [-1, 1]; or a sequence of such, whose gradients are accumulated
        into one update. Returns the weighted terms by `turn/term/direction`, which are read from the device when they
        are looked at first (see `Losses`).
        """
        batches = [batches] if isinstance(batches, Mapping) else list(batches)
        batches = [{k: self._placed(v) for k, v in b.items()} for b in batches]
        due = [turn for turn in self.turns if self.steps % turn.turn.every == 0]
        with self.devices.arithmetic(), self.passes.step(batches, due, self.steps):
            losses = self._turns(due, batches)
        self.steps += 1
        if self.ema is not None:
            self.ema.update_parameters(self.players)
        return self._checked(losses)

    def _placed(self, x: Tensor) -> Tensor:
        """A tensor of a batch on the device, in the memory format of the networks."""
        x = x.to(self.devices.device, non_blocking=True)
        return x.contiguous(memory_format=torch.channels_last) if self.speed.channels_last and x.ndim == 4 else x

    def _turns(self, due: Sequence[TurnModule], batches: Sequence[Batch]) -> dict[str, Tensor]:
        """Play the turns that are due; the losses by key."""
        carried: list[dict[str, Any]] = [{} for _ in batches]  # fakes of this step, for the critics
        ahead: list[dict[str, Any]] = [{} for _ in batches]  # the generator's forward, when the critic plays first
        losses: dict[str, Tensor] = {}
        for number, turn in enumerate(due):
            if turn.needs:
                self._prepare(turn, due[number + 1 :], batches, carried, ahead)
            losses |= self._play(turn, batches, carried, ahead)
        return losses

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

    def _play(
        self, turn: TurnModule, batches: Sequence[Batch], carried: list[dict], ahead: list[dict]
    ) -> dict[str, Tensor]:
        """One turn: the gradient of its losses over all the batches, then its optimizer's step."""
        optimizer = self.optimizers[turn.turn.name]
        with self.passes.learning(turn) as parameters:
            if isinstance(optimizer, LBFGS):
                return self._search(optimizer, turn, batches, carried, parameters)
            optimizer.zero_grad(set_to_none=True)
            fakes = [self._fakes(turn, values) for values in carried]
            seen = self._gradient(turn, batches, fakes, ahead, carried, parameters)
            self._update(optimizer, parameters)
            return seen

    def _gradient(
        self,
        turn: TurnModule,
        batches: Sequence[Batch],
        fakes: list[dict],
        ahead: list[dict],
        carried: list[dict],
        parameters: list[nn.Parameter],
        record: bool = True,
    ) -> dict[str, Tensor]:
        """Add the gradient of a turn's losses, their mean over the batches, to its parameters; the losses by key."""
        seen: dict[str, Tensor] = {}
        phase, n = turn.phase(self.steps), len(batches)
        for i, batch in enumerate(batches):
            before = {} if turn.needs else ahead[i]
            losses, values = self.passes.gradient(turn, batch, fakes[i], before, phase, n, parameters, record)
            carried[i] |= _kept(values, n)
            for key, value in _kept(losses, n).items():
                seen[key] = seen[key] + value if i else value
        return seen

    def _search(
        self,
        optimizer: LBFGS,
        turn: TurnModule,
        batches: Sequence[Batch],
        carried: list[dict],
        parameters: list[nn.Parameter],
    ) -> dict[str, Tensor]:
        """The turn of an optimizer that asks for the objective at several points; the losses are those of the first."""
        fakes = [self._fakes(turn, values) for values in carried]
        nothing: list[dict[str, Any]] = [{} for _ in batches]  # a forward ahead serves one point only
        made: list[dict[str, Any]] = []
        first: dict[str, Tensor] = {}

        def objective() -> Tensor:
            optimizer.zero_grad(set_to_none=True)
            points: list[dict[str, Any]] = [{} for _ in batches]
            losses = self._gradient(turn, batches, fakes, nothing, points, parameters, record=False)
            self._average_and_clip(parameters, optimizer)
            value = torch.stack(list(losses.values())).sum() if losses else torch.zeros(())
            self.devices.average([value])
            if not made:
                made.extend(points)
                first.update(losses)
            return value

        optimizer.step(objective)  # type: ignore[arg-type]
        for known, values in zip(carried, made, strict=True):
            known |= values
        return first

    def _fakes(self, turn: TurnModule, carried: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What a critic is shown: the fakes, detached, through the pool of their direction."""
        given: dict[str, Tensor] = {}
        for direction, pool in self.pools.items():
            keys = [key for key in turn.needs if key.endswith(f"@{direction}")]
            if keys:
                shown = pool.query(tuple(carried[key].detach() for key in keys))
                given |= {key: self._placed(value) for key, value in zip(keys, shown, strict=True)}
        return given

    def _update(self, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> None:
        if self._average_and_clip(parameters, optimizer):
            self.scaler.step(optimizer)
            self.scaler.update()

    def _average_and_clip(self, parameters: list[nn.Parameter], optimizer: torch.optim.Optimizer) -> bool:
        """Make the gradient that of all processes, and no longer than it may be; False where there is none."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:
            return False
        self.devices.average(gradients)
        if self.clip_norm is not None:
            self.scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(parameters, self.clip_norm)
        return True

    def _checked(self, losses: dict[str, Tensor]) -> Losses:
        """The losses of this step. Those of the step before are there by now, and checked; on a CPU these are."""
        values = torch.stack(list(losses.values())) if losses else torch.zeros(0)
        self.devices.average([values])
        before, self._unread = self._unread, Losses(self.steps, list(losses), values)
        checked = self._unread if self.devices.device.type == "cpu" else before
        if checked is not None:
            checked.read()
        return self._unread

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
            if self.ema is not None:
                networks.update(dict(cast(nn.ModuleDict, self.ema.module).items()))
            yield
        finally:
            networks.update(players)

    def state_dict(self) -> dict[str, Any]:
        """All but the networks and the pools: the same in every process."""
        return {
            "steps": self.steps,
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
            "scaler": self.scaler.state_dict(),
            "losses": {name: own_state(term.loss) for name, term in self.terms.items()},
            "method": {k: v for k, v in self.method.state_dict().items() if not k.startswith("networks.")},
            "averaged": 0 if self.ema is None else int(self.ema.n_averaged),
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
            term.loss.load_state_dict(stored, strict=False)
        self.method.load_state_dict(dict(state["method"]), strict=False)
        if self.ema is not None:
            self.ema.n_averaged.fill_(state["averaged"])

    def _make_ema(self, decay: float) -> AveragedModel:
        return AveragedModel(self.players, multi_avg_fn=get_ema_multi_avg_fn(decay)).requires_grad_(False)

    def _make_optimizers(
        self, options: dict[str, Any], by_turn: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, torch.optim.Optimizer]:
        made = {}
        for number, module in enumerate(self.turns):
            turn = module.turn
            own = dict(by_turn.get(turn.side, {})) | dict(by_turn.get(turn.name, {}))
            if own.get("type", options["type"]) == options["type"]:  # one of another type shares no setting
                own = options | own
            # TensorFlow's one Adam counts the steps of all turns together: TFAdam's stride and offset
            made[turn.name] = make(
                own,
                module.parameters_trained(),
                stride=len(self.turns),
                offset=number,
                fused=self.devices.device.type in FUSED_ON,
            )
            if isinstance(made[turn.name], LBFGS) and self.devices.precision == "fp16":
                raise ValueError("lbfgs cannot scale its losses, as fp16 needs: set train.precision to fp32 or bf16")
            if isinstance(made[turn.name], LBFGS) and self.speed.channels_last:
                raise BuildError(("train", "channels_last"), "torch's lbfgs takes parameters in the usual layout alone")
        return made


def _kept(values: Mapping[str, Tensor], batches: int) -> dict[str, Tensor]:
    """Values that the next of several batches does not overwrite, where passes are recorded."""
    return {key: value.clone() if batches > 1 else value for key, value in values.items()}


def _on_its_device(state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """A stored state with this optimizer's choice of how to compute, which is the device's business."""
    groups = zip(state["param_groups"], optimizer.param_groups, strict=True)
    return {**state, "param_groups": [old | {"fused": new["fused"]} if "fused" in new else old for old, new in groups]}


def _lay_as_parameters(optimizer: torch.optim.Optimizer) -> None:
    """Bring loaded state into the memory format of its parameters: fused updates walk through both side by side."""
    for p, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == p.shape and value.stride() != p.stride():
                state[name] = torch.empty_like(p, dtype=value.dtype).copy_(value)
