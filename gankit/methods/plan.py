"""From the losses of a recipe to the ordered list of tensors that a turn computes.

`plan_turns` resolves, per turn, what each loss asks for: nothing else is computed. A term belongs to a turn only if
the networks which that turn trains stand somewhere behind its tensors. The result is one `TurnModule` per turn, whose
forward is a straight loop.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, lcm

from torch import Tensor, nn

from gankit.augment.base import Augment
from gankit.conditions import takes_of
from gankit.contracts import AugmentContract, LossContract
from gankit.core.catalogue import catalogue
from gankit.core.errors import BuildError
from gankit.core.registry import Entry
from gankit.features import FeatureLoss, own_parameters, share_backbones
from gankit.fields import Field
from gankit.methods.base import Method, Turn
from gankit.methods.resolve import Resolver, Unavailable
from gankit.methods.turns import PlannedTerm, TurnModule, carried_keys, critics_of


@dataclass
class Term:
    """One term of the objective: a loss and its envelope.

    weight: a factor, or one per direction. on: argument of the loss -> tensor, where it is not the tensor of that
    name. from_step: the term counts from this step on. every: it counts only at steps that are multiples of this, with
    `every` times its weight, as do the lazy penalties of StyleGAN2 (arXiv 1912.04958, section 3.1). turn: the side to
    which it belongs, when the loss does not say.
    """

    loss: nn.Module
    weight: float | Mapping[str, float] = 1.0
    on: Mapping[str, str] = field(default_factory=dict)
    from_step: int = 0
    turn: str | None = None
    every: int = 1

    def weight_in(self, direction: str) -> float:
        return self.weight.get(direction, 0.0) if isinstance(self.weight, Mapping) else self.weight

    def function(self, side: str) -> Callable[..., Tensor] | None:
        """What this term computes in a turn of that side, if anything."""
        name = self.function_name(side)
        return getattr(self.loss, name) if name else None

    def function_name(self, side: str) -> str | None:
        """`forward`, or the loss's other side."""
        own = self.turn or LossContract(self.loss).turn
        if own is not None:
            return "forward" if own == side else None
        if side == "generator":
            return "forward"
        return side if hasattr(self.loss, side) else None


def whole_step(terms: Iterable[Term], every: int = 1) -> int:
    """The first step, a multiple of `every`, at which all the terms count."""
    terms = list(terms)
    period = lcm(every, *(term.every for term in terms))
    latest = max((term.from_step for term in terms), default=0)
    return period * ceil(latest / period)


def plan_turns(method: Method, terms: Mapping[str, Term], augments: Sequence[Augment] = ()) -> list[TurnModule]:
    """Resolve the plan of every turn. Raises BuildError, with the recipe path of the term or augment at fault.

    The parameters of a loss are trained by the one turn in which it takes part, or, where it takes part in several, by
    the one of the side that it declares as `learns_in`.
    """
    share_backbones(term.loss for term in terms.values())
    used: set[str] = set()
    resolvers: list[tuple[Turn, Resolver, list[PlannedTerm]]] = []
    for turn in method.turns():
        resolver = Resolver(method, method.trained_by(turn), () if turn.side == "generator" else method.carried)
        planned = [p for name, term in terms.items() for p in _plan_term(method, resolver, turn, name, term)]
        used |= {p.name for p in planned}
        if planned:
            resolvers.append((turn, _pruned(resolver, planned), planned))
    for name, term in terms.items():
        if name not in used:
            _explain_unused(method, name, term)
    _add_carried(method, resolvers)
    playing = {turn: [p.loss for p in planned] for turn, _, planned in resolvers}
    learned = {turn: [] for turn in playing}
    for name, term in terms.items():
        if any(p.requires_grad for p in own_parameters(term.loss)) and name in used:
            learned[_trainer(name, term, playing)].append(term.loss)
    turns = [
        TurnModule(method, turn, r.nodes, r.behind, planned, learned[turn], augments) for turn, r, planned in resolvers
    ]
    for number, augment in enumerate(augments):
        if why := _unfit(augment, method, turns):
            raise BuildError(("train", "augments", number), why)
    return turns


def _unfit(augment: Augment, method: Method, turns: Sequence[TurnModule]) -> str:
    """Why an augment cannot stand there; empty when it can."""
    observe = AugmentContract(augment).observe
    if not critics_of(method) or all(turn.turn.side == "generator" for turn in turns):
        return "an augment stands between pictures and critics, and no critic plays here"
    if any(p.requires_grad for p in augment.parameters()):
        return "it has parameters that learn, and no turn trains an augment"
    if observe is not None and not any(observe == function for turn in turns for function, _ in turn.watched):
        names = " and ".join(inspect.signature(observe).parameters)
        return f"it watches {names}, which no loss of the critics' turns asks for"
    return ""


def _trainer(name: str, term: Term, playing: Mapping[Turn, list[nn.Module]]) -> Turn:
    """The turn that trains the parameters of a loss."""
    turns, side = [turn for turn, losses in playing.items() if term.loss in losses], LossContract(term.loss).learns_in
    chosen = [turn for turn in turns if side in (None, turn.side)]
    if len(chosen) == 1:
        return chosen[0]
    text = f"loss '{name}' has parameters that learn and takes part in the turns {' and '.join(t.name for t in turns)}"
    if not chosen:
        why = f"but it is to learn on the side '{side}' (`learns_in`)"
    elif len({turn.side for turn in chosen}) > 1:
        why = "of which none is said to train them. Keep it to one by `turn`, or let the loss declare `learns_in`"
    else:
        why = "each with an optimizer of its own. Only a method with one turn of that side can train them"
    raise BuildError(("losses", name), f"{text}, {why}")


def _plan_term(method: Method, resolver: Resolver, turn: Turn, name: str, term: Term) -> list[PlannedTerm]:
    function = term.function(turn.side)
    if function is None:
        return []
    planned = []
    for direction in method.directions:
        weight = term.weight_in(direction)
        if weight == 0:
            continue
        arguments, fields = _arguments(method, resolver, function, direction, name, term)
        if resolver.touches(key for _, key in arguments) or _learns(term.loss, turn):
            if isinstance(term.loss, FeatureLoss):
                arguments = tuple(
                    (n, resolver.features(key, direction, term.loss) if n in term.loss.compares else key)
                    for n, key in arguments
                )
            key, called = f"{turn.name}/{name}/{direction}", term.function_name(turn.side) or "forward"
            envelope = weight, term.from_step, term.every
            planned.append(PlannedTerm(key, name, term.loss, called, arguments, *envelope, fields))
    return planned


def _learns(loss: nn.Module, turn: Turn) -> bool:
    """Whether a loss has parameters that this turn is to train: it takes part though no network stands behind it."""
    return LossContract(loss).learns_in == turn.side and any(p.requires_grad for p in own_parameters(loss))


def _arguments(
    method: Method, resolver: Resolver, function: Callable, direction: str, name: str, term: Term
) -> tuple[tuple[tuple[str, str], ...], dict[str, Field]]:
    """The keys of a loss's arguments; of those that are fields of the batch and not the method's, what they are."""
    parameters = inspect.signature(function).parameters
    for argument in term.on:
        if argument not in _all_arguments(term):
            known = ", ".join(_all_arguments(term))
            raise BuildError(("losses", name, "on", argument), f"the loss has no argument '{argument}'; it has {known}")
    takes, taken, resolved = takes_of(term.loss), [], []
    for argument, parameter in parameters.items():
        wanted = term.on.get(argument, argument)
        try:
            resolved.append((argument, resolver.resolve(wanted, direction)))
        except LookupError as error:
            if argument.removeprefix("back_") in takes and not isinstance(error, Unavailable):
                taken.append(argument)
                continue
            if parameter.default is not parameter.empty and argument not in term.on:
                continue
            path = ("losses", name, "on", argument) if argument in term.on else ("losses", name)
            raise BuildError(path, _not_offered(method, name, wanted, error)) from None
    names, keys = tuple(name for name, _ in resolved), tuple(key for _, key in resolved)
    found = {argument: term.on.get(argument) or resolver.field(argument, direction, keys) for argument in taken}
    if unknown := [argument for argument, field in found.items() if field is None]:
        text = f"no picture beside `{unknown[0]}`, and no other direction, tells whose that is: say so by `on`"
        raise BuildError(("losses", name), text)
    arguments = tuple(zip(names, resolver.bound(names, keys, direction), strict=True))
    arguments += tuple((argument, resolver.leaf(f"batch:{field}")) for argument, field in found.items())
    return arguments, {str(field): takes[argument.removeprefix("back_")] for argument, field in found.items()}


def _all_arguments(term: Term) -> list[str]:
    functions = [f for side in ("generator", "discriminator") if (f := term.function(side))]
    return list(dict.fromkeys(p for f in functions for p in inspect.signature(f).parameters))


def _pruned(resolver: Resolver, planned: list[PlannedTerm]) -> Resolver:
    """Without the nodes of terms that were dropped because the turn trains nothing behind them."""
    wanted = {key for term in planned for _, key in term.arguments}
    for key in reversed(list(resolver.nodes)):
        if key in wanted:
            wanted |= set(resolver.nodes[key].arguments)
    resolver.nodes = {key: node for key, node in resolver.nodes.items() if key in wanted}
    resolver.behind = {key: leaves for key, leaves in resolver.behind.items() if key in wanted}
    return resolver


def _add_carried(method: Method, resolvers: list[tuple[Turn, Resolver, list[PlannedTerm]]]) -> None:
    """The generators' turns also compute what the critics will take from them."""
    needed = {key for turn, resolver, _ in resolvers if turn.side != "generator" for key in resolver.behind}
    for key, (name, direction) in carried_keys(method).items():
        for turn, resolver, _ in resolvers:
            if key in needed and turn.side == "generator" and direction in (turn.directions or method.directions):
                resolver.resolve(name, direction)


def _not_offered(method: Method, name: str, wanted: str, error: LookupError) -> str:
    entry = catalogue().entry_of("method", type(method))
    own = entry.name if entry else type(method).__name__
    missing = error.args[0] if error.args else wanted
    text = f"loss '{name}' needs '{wanted}', which method '{own}' "
    if isinstance(error, Unavailable):
        return text + f"cannot give here: {error.why}"
    if missing != wanted:
        text += f"makes from '{missing}', which it does not offer"
    else:
        text += f"does not offer; it offers {', '.join(sorted(offered(method)))}"
    others = [e.name for e in catalogue().entries("method") if wanted in _offers_of(e)]
    return text + (f". {' and '.join(others)} {'does' if len(others) == 1 else 'do'}" if others else "")


def _offers_of(entry: Entry) -> tuple[str, ...]:
    try:
        return (*entry.make.tensor_names(), *next(iter(entry.make.fields.values())))
    except Exception:
        return ()  # a broken plugin must not hide the real error


def offered(method: Method) -> list[str]:
    """Names that a loss may ask of this method, `back_` forms apart."""
    names = [n for n in method.tensor_names() if not method.unavailable(n)]
    return [*method.fields[method.directions[0]], *names, *method.roles]


def _explain_unused(method: Method, name: str, term: Term) -> None:
    if all(term.weight_in(d) == 0 for d in method.directions):
        return  # switched off on purpose
    sides = sorted({t.side for t in method.turns()})
    if term.turn is not None and term.turn not in sides:
        raise BuildError(
            ("losses", name, "turn"), f"there is no turn called '{term.turn}'; there are {', '.join(sides)}"
        )
    raise BuildError(
        ("losses", name), f"loss '{name}' trains nothing: its tensors come from no network that a turn trains"
    )
