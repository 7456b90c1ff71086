"""What a method is made of; and what it costs, found by playing one step on meta tensors: shapes without numbers.

Nothing is allocated and nothing computed, so that a network of a gigabyte is measured in seconds.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from gankit.contracts import NetworkContract, OptimizerContract
from gankit.features import own_parameters
from gankit.methods.base import Method, image_of
from gankit.methods.plan import Term, plan_turns
from gankit.methods.turns import PlannedTerm, TurnModule
from gankit.optimizers.gradient import Adam
from gankit.training.pictures import Batch

M = TypeVar("M", bound=nn.Module)
Shape = tuple[int, ...]
Called = tuple[tuple[Any, ...], dict[str, Any]]
"""The arguments of a network's call, and those by name."""
Storages = dict[int, torch.UntypedStorage]
"""By their identity, so that each counts once."""
StateBytes = Callable[[TurnModule, list[nn.Parameter]], int]


@dataclass(frozen=True)
class NetworkSummary:
    """A network. Shapes are those of its first call, without the batch; multiply_adds is per picture of that call.
    None and () where no step was played."""

    key: str  # generator_a2b
    role: str
    direction: str
    type: str
    parameters: int
    input: Shape | None
    output: tuple[Shape, ...]  # of each tensor that it returns
    multiply_adds: int | None


@dataclass(frozen=True)
class TensorSummary:
    """A tensor of a turn's plan. `takes`: keys of tensors and of pictures (`batch:a`); `networks`: keys of networks."""

    key: str  # output@a2b
    shape: Shape | None
    takes: tuple[str, ...]
    networks: tuple[str, ...]
    trained: bool  # something that the turn trains stands behind it


@dataclass(frozen=True)
class TermSummary:
    key: str  # generator/cycle/a2b
    loss: str
    type: str
    direction: str
    weight: float
    from_step: int
    every: int
    takes: dict[str, str]  # argument -> tensor as seen from the direction, e.g. "back_attention"
    keys: tuple[str, ...]  # the same, as keys


@dataclass(frozen=True)
class TurnSummary:
    """One turn: what it trains, the tensors that it computes in order, its terms, and its cost for one batch.

    given: keys of tensors taken from another turn, detached, instead of being computed. multiply_adds: of forward and
    backward. saved_bytes: what autograd keeps from the forward for the backward.
    """

    name: str
    side: str
    every: int
    trains: tuple[str, ...]
    given: tuple[str, ...]
    tensors: tuple[TensorSummary, ...]
    terms: tuple[TermSummary, ...]
    multiply_adds: int | None
    saved_bytes: int | None


@dataclass(frozen=True)
class Memory:
    """Bytes in training. Not in it: workspace of kernels, caches of the allocator, the CUDA context; activations, where
    no step was played."""

    weights: int
    gradients: int
    optimizer: int
    ema: int
    activations: int | None  # saved for the backward, in the turn that saves most

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.ema + (self.activations or 0)


@dataclass(frozen=True)
class Summary:
    method: str
    pictures: dict[str, Shape]  # field of the batch -> its shape, (N, C, H, W) of pictures
    fields: dict[str, dict[str, str]]  # direction -> name of a picture -> field: {"a2b": {"source": "a", ...}, ...}
    networks: tuple[NetworkSummary, ...]
    turns: tuple[TurnSummary, ...]
    memory: Memory

    @property
    def played(self) -> bool:
        """Whether a step was played: whether there are costs."""
        return self.memory.activations is not None

    def seen_from(self, direction: str, key: str) -> str:
        """A key as a loss of that direction would ask for it: `attention@b2a` is `back_attention` in a2b."""
        return _seen_from(self.fields, direction, key)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        data = asdict(self)
        data["memory"]["total"] = self.memory.total
        return data


def summarize(
    method: Method,
    terms: Mapping[str, Term | nn.Module],
    batch: Batch,
    optimizer: StateBytes | None = None,
    ema: bool = False,
    costs: bool = True,
    checkpoint_activations: bool = False,
) -> Summary:
    """Measure a method with its losses.

    method: on any device; one that lies on `meta` is used as it is, another is copied there without its numbers.
    batch: of a step. optimizer: bytes that a turn's optimizer keeps for its parameters
    (default: Adam's). ema: count a running mean of the generators' weights. costs: play a step for shapes,
    multiply-adds and activations; without it torch does not load its compiler, as it does for meta tensors, in seconds.
    checkpoint_activations: do not keep what networks compute.

    Raises BuildError when a loss asks for what the method does not offer, and ValueError or RuntimeError from a
    network that cannot take pictures of this size.
    """
    method = on_meta(method)
    known = {name: t if isinstance(t, Term) else Term(t) for name, t in terms.items()}
    turns = plan_turns(method, {name: replace(term, loss=on_meta(term.loss)) for name, term in known.items()})
    for turn in turns:
        turn.checkpoint_activations = checkpoint_activations
    optimizer = optimizer or (lambda _, parameters: state_bytes(Adam, parameters))
    fields = batch.empty()
    calls: dict[str, Called] = {}
    if costs:
        with _first_calls(method, fields, calls):
            played = _play(method, turns, fields)
    else:
        played = [_turn(method, turn, {}, None, None) for turn in turns]
    state = sum(optimizer(turn, turn.parameters_trained()) for turn in turns)
    makers = {key for turn in method.turns() if turn.side == "generator" for key in method.trained_by(turn)}
    memory = Memory(
        weights=_bytes(method) + sum(_bytes(loss) for turn in turns for loss in turn.learned),
        gradients=sum(p.nbytes for turn in turns for p in _learning(turn)),
        optimizer=state,
        ema=sum(p.nbytes for key in makers for p in own_parameters(method.networks[key])) if ema else 0,
        activations=max((p.saved_bytes or 0 for p in played), default=0) if costs else None,
    )
    names = {direction: dict(method.fields[direction]) for direction in method.directions}
    shapes = {name: tuple(x.shape) for name, x in fields.items()}
    networks = tuple(_network(method, key, calls.get(key), costs) for key in method.networks)
    return Summary(type_name("method", method), shapes, names, networks, tuple(played), memory)


def state_bytes(factory: Callable[..., Any], params: Sequence[Tensor]) -> int:
    """What the optimizer of a factory keeps for the parameters besides them and their gradients, from its first step
    on. It is not made for that: torch loads its compiler, for seconds, with the first optimizer of a process."""
    learning = [p for p in params if p.requires_grad]
    settings = factory.keywords if isinstance(factory, partial) else {}
    return OptimizerContract(factory).state_bytes(learning, **settings)


def on_meta(module: M) -> M:
    """A copy on the meta device, made without copying any numbers; the module itself when it lies there already."""
    tensors = list(chain(module.parameters(), module.buffers()))
    if all(t.is_meta for t in tensors):
        return module
    memo: dict[int, Tensor] = {}
    for t in tensors:
        twin = t.detach().to("meta")
        memo[id(t)] = nn.Parameter(twin, t.requires_grad) if isinstance(t, nn.Parameter) else twin
    return copy.deepcopy(module, memo)


def type_name(kind: str, component: nn.Module) -> str:
    """The name under which a component is registered, or that of its class."""
    from gankit.core.catalogue import catalogue

    entry = catalogue().entry_of(kind, type(component))
    return entry.name if entry else type(component).__name__


# -- playing a step ----------------------------------------------------------------------------------------------------
def _play(method: Method, turns: list[TurnModule], batch: Mapping[str, Tensor]) -> list[TurnSummary]:
    """One step as `gankit.training.step.Stepper` plays it, without numbers and without updates."""
    from torch.utils.flop_counter import FlopCounterMode  # late: it takes a while

    ignored = _storages([*method.parameters(), *method.buffers(), *batch.values()])
    carried: dict[str, Any] = {}
    kept: Storages = {}  # storages saved by a forward that a later turn goes on from
    ahead: dict[str, Any] = {}
    played = []
    for number, turn in enumerate(turns):
        missing = set(turn.needs) - set(carried)
        maker = next((t for t in turns[number + 1 :] if missing and missing <= set(t.carries)), None)
        with FlopCounterMode(display=False) as cost:
            if maker is not None:
                with _saved(kept, ignored), torch.set_grad_enabled(method.shares_forward):
                    before = maker.ahead(batch)
                carried |= {key: before[key] for key in maker.carries}
                ahead = before if method.shares_forward else {}
            taken = {key: carried[key].detach() for key in turn.needs} if turn.needs else ahead
            saved = dict(kept)
            with _saved(saved, ignored):
                values = turn.values(batch, taken)
                losses, passed_on = turn(batch, values)
            carried |= passed_on
            if losses:
                sum(losses.values(), torch.zeros((), device="meta")).backward(inputs=_learning(turn))
        if not turn.needs:
            kept, ahead = {}, {}
        played.append(_turn(method, turn, values, cost.get_total_flops() // 2, sum(s.nbytes() for s in saved.values())))
    for turn in turns:
        turn.zero_grad(set_to_none=True)
    return played


def _learning(turn: TurnModule) -> list[nn.Parameter]:
    return [p for p in turn.parameters_trained() if p.requires_grad]


@contextmanager
def _saved(into: Storages, ignored: Storages) -> Iterator[None]:
    """Collect the storages that autograd keeps for the backward, each once."""

    def pack(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        if id(storage) not in ignored:
            into[id(storage)] = storage
        return t

    with saved_tensors_hooks(pack, lambda t: t):
        yield


def _storages(tensors: list[Tensor]) -> Storages:
    return {id(s): s for t in tensors for s in [t.untyped_storage()]}


@contextmanager
def _first_calls(method: Method, batch: Mapping[str, Tensor], calls: dict[str, Called]) -> Iterator[None]:
    """Note the arguments of each network's first call; a picture, for one whose parts are called (MUNIT's)."""

    def noting(key: str, network: nn.Module) -> Callable[..., None]:
        def note(called: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            if called is not network:
                if key in calls:
                    return
                channels = NetworkContract(network).in_channels
                fitting = (x for x in batch.values() if x.ndim == 4 and x.shape[1] == channels)
                args, named = tuple(islice(fitting, 1)), {}
            if called is network or args:
                calls.setdefault(key, (args, named))

        return note

    handles = [
        part.register_forward_pre_hook(noting(key, network), with_kwargs=True)
        for key, network in method.networks.items()
        for part in network.modules()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _bytes(module: nn.Module) -> int:
    """Bytes of parameters and buffers."""
    return sum(t.nbytes for t in chain(module.parameters(), module.buffers()))


# -- rows --------------------------------------------------------------------------------------------------------------
def _network(method: Method, key: str, call: Called | None, costs: bool) -> NetworkSummary:
    network, (role, direction) = method.networks[key], key.rsplit("_", 1)
    kind = {"generator": "generator", "discriminator": "discriminator"}.get(role, "attention")
    parameters = sum(p.numel() for p in network.parameters())
    if call is None:
        return NetworkSummary(
            key, role, direction, type_name(kind, network), parameters, None, (), 0 if costs else None
        )
    from torch.utils.flop_counter import FlopCounterMode  # late, as in `_play`

    with torch.no_grad(), FlopCounterMode(display=False) as cost:
        args, named = call
        result = network(*args, **named)
    taken = _first_tensor(args)  # a network may take several in a list, such as features
    pictures = 1 if taken is None else taken.shape[0]
    shapes = tuple(tuple(t.shape[1:]) for t in (result if isinstance(result, tuple) else (result,)) if t is not None)
    return NetworkSummary(
        key,
        role,
        direction,
        type_name(kind, network),
        parameters,
        None if taken is None else tuple(taken.shape[1:]),
        shapes,
        cost.get_total_flops() // 2 // pictures,
    )


def _first_tensor(arguments: object) -> Tensor | None:
    if isinstance(arguments, Tensor):
        return arguments
    several = arguments if isinstance(arguments, tuple | list) else ()
    return next((tensor for each in several if (tensor := _first_tensor(each)) is not None), None)


def _turn(
    method: Method, turn: TurnModule, values: Mapping[str, Any], multiply_adds: int | None, saved: int | None
) -> TurnSummary:
    tensors = tuple(
        TensorSummary(
            key=node.key,
            shape=_shape(values.get(node.key)),
            takes=tuple(a for a in node.arguments if not a.startswith("net:")),
            networks=tuple(a.removeprefix("net:") for a in node.arguments if a.startswith("net:")),
            trained=not node.frozen,
        )
        for node in turn.plan
    )
    return TurnSummary(
        name=turn.turn.name,
        side=turn.turn.side,
        every=turn.turn.every,
        trains=tuple(method.trained_by(turn.turn)),
        given=tuple(turn.needs),
        tensors=tensors,
        terms=tuple(_term(method, term) for term in turn.terms),
        multiply_adds=multiply_adds,
        saved_bytes=saved,
    )


def _term(method: Method, term: PlannedTerm) -> TermSummary:
    direction = term.key.rsplit("/", 1)[1]
    return TermSummary(
        key=term.key,
        loss=term.name,
        type=type_name("loss", term.loss),
        direction=direction,
        weight=term.weight,
        from_step=term.from_step,
        every=term.every,
        takes={argument: _seen_from(method.fields, direction, key) for argument, key in term.arguments},
        keys=tuple(key for _, key in term.arguments),
    )


def _seen_from(fields: Mapping[str, Mapping[str, str]], direction: str, key: str) -> str:
    if key.startswith("batch:"):
        names = {field: name for name, field in fields[direction].items()}
        return names.get(key.removeprefix("batch:"), key.removeprefix("batch:"))
    name, of = key.rsplit("@", 1) if "@" in key else key.removeprefix("net:").rsplit("_", 1)
    return name if of == direction else f"back_{name}"


def _shape(value: Any) -> Shape | None:
    if type(value) is tuple:
        return None  # several logits: their shapes stand with the critic
    value = image_of(value) if value is not None else None
    return tuple(value.shape[1:]) if isinstance(value, Tensor) else None
