"""What rounding alone does to a case, for verdicts that do not depend on the processor.

Processors add in different orders and so round differently. Where a ReLU, a maximum or an L1 distance is near its kink
one rounding decides whether a unit passes its gradient on, and all that lies behind it differs: of
`fns_perceptual_style_loss` a fifth of the gradient's elements by up to 35 times their bound, for two units of VGG. Both
gradients are right. Neither a looser bound nor double precision on our side tells them from a fault, for the
reference's value is that of its own rounding.

So where an element is beyond its bound the case is computed again and again with every weight and input moved by a
last place or two, as other roundings would. The element may be off by twice as far as it moves there (two kinks may
add up), and no further: what does not move is held as before, and a wrong factor moves everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tests.golden.harness import Case, Comparison

SIZE = 2e-7
"""How far a number is moved, at most, as a share of itself: two units in the last place of float32."""
DRAWS = 12
OF_TRAINING = 1e-7, 6
"""The same of a training, where one kink in a first step makes another training: one draw in six may do that."""
LIMIT = 0.05
"""A tensor that rounding moves by more than this, as a relative L2 norm, judges nothing."""
Check = Callable[[Case], list[Comparison]]


def moved(case: Case, draw: int, size: float = SIZE) -> Case:
    """The case with weights and inputs as another rounding might have had them. Masks and indices stay exact."""
    draws = torch.Generator().manual_seed(draw)

    def move(x: Tensor) -> Tensor:
        shift = 2 * torch.rand(x.shape, generator=draws, dtype=torch.float64) - 1
        return (x.double() * (1 + size * shift)).float()

    def is_number(key: str, x: Tensor) -> bool:
        return key.startswith(("input.", "state.")) and "mask" not in key and (x.is_floating_point() or "_u8" in key)

    return replace(case, tensors={k: move(x) if is_number(k, x) else x for k, x in case.tensors.items()})


def settle(case: Case, check: Check, first: list[Comparison]) -> tuple[list[Comparison], list[str]]:
    """The comparisons as they are to be judged, and what is to be said about that.

    first: what `check` gave for the case itself. It is returned as it is where all is within its bounds, and where
    something is so far off that no rounding explains it.
    """
    if all(c.used <= 1 for c in first) or any(math.isinf(c.used) for c in first):
        return first, []
    training = any(c.step is not None for c in first)
    size, draws = OF_TRAINING if training else (SIZE, DRAWS)
    moves: list[list[Tensor]] = [[] for _ in first]
    settled, notes = first, list[str]()
    for draw in range(draws):
        again = check(moved(case, draw, size))
        if [c.name for c in again] != [c.name for c in first]:
            return first, ["rounding alone changes what is compared"]
        for of_one, a, c in zip(moves, again, first, strict=True):
            of_one.append((a.ours - c.ours).abs())
        if training and draw < draws - 1:
            continue
        settled, notes = within(first, [spread(c, of_one) for c, of_one in zip(first, moves, strict=True)])
        if all(c.used <= 1 for c in settled):
            break
    return settled, notes


def spread(comparison: Comparison, moves: Sequence[Tensor]) -> Tensor:
    """How far each element moves: the most of all draws; of what stands in a training, what two of them reach."""
    return torch.stack(list(moves)).sort(0, descending=True).values[0 if comparison.step is None else 1]


def within(first: Sequence[Comparison], reach: Sequence[Tensor]) -> tuple[list[Comparison], list[str]]:
    """The comparisons with bounds as wide as rounding needs them, up to the step where a training has drifted."""
    end = drift(first, reach)
    if end <= 1:
        return list(first), ["rounding alone parts this training from itself at step 1, so that nothing judges it"]
    settled, notes = [], list[str]()
    for comparison, moves in zip(first, reach, strict=True):
        if comparison.step is not None and comparison.step >= end:
            continue
        wider, note = widened(comparison, moves)
        settled.append(wider)
        notes += [note] if note else []
    if end < math.inf:
        last = max(c.step for c in first if c.step is not None)
        notes.append(f"judged up to step {end - 1:.0f} of {last}: from there on rounding alone moves it by its bound")
    return settled, notes


def drift(first: Sequence[Comparison], reach: Sequence[Tensor]) -> float:
    """The first step after an update whose losses or pictures rounding moves by more than their bound."""
    drifted = (
        comparison.step
        for comparison, moves in zip(first, reach, strict=True)
        if comparison.step and comparison.kind != "weight" and bool((moves > comparison.bound).any())
    )
    return min(drifted, default=math.inf)


def widened(comparison: Comparison, moves: Tensor) -> tuple[Comparison, str]:
    """A comparison that is beyond its bound, with the bound widened by what rounding moves; and the words for it."""
    beyond = comparison.shares > 1
    if not beyond.any() or not comparison.bound.any():
        return comparison, ""
    size = comparison.reference.norm()
    share = (moves.norm() / size).item()
    if share > LIMIT:
        return comparison, f"{comparison.name}: rounding alone moves it by {share:.1%}, so that nothing judges it"
    wider = replace(comparison, bound=comparison.bound + 2 * moves)
    if wider.used > 1:
        return wider, ""
    off = (comparison.difference.norm() / size).item()
    note = (
        f"{comparison.name}: {beyond.double().mean():.1%} of its elements beyond the bound, "
        f"judged by what rounding moves there; relative L2 {off:.1e}"
    )
    return wider, note
