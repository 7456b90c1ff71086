"""Whose mistake it is when a turn cannot be played: the place in the recipe, and words."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, TypeVar

from torch import Tensor

from gankit.core.errors import BuildError, GankitError, Path
from gankit.core.recipe import Recipe
from gankit.features import Features
from gankit.methods.resolve import Extraction, TensorNode
from gankit.methods.turns import PlannedTerm, TurnModule
from gankit.training.assemble import Assembled
from gankit.training.pictures import Batch

T = TypeVar("T")
OF_SIZES = re.compile(
    r"\bsides?\b|\bsizes? (?:must|should)|[Kk]ernel size|[Pp]adding size|too small|spatial|output size|more than 1"
)
"""How our networks, and torch's layers, say that a picture is too small or of an unfit size."""
SIDE = 256
"""Of the pictures, in pixels, when the recipe's data set does not say."""


def side_of(recipe: Recipe) -> tuple[str, int]:
    """The option of the data set that sets the side of a picture in pixels, and its value."""
    for name in ("crop_size", "size"):
        if isinstance(value := getattr(recipe.data, name, None), int):
            return name, value
    return "type", SIDE


def blaming(parts: Assembled, batch: Batch, play: Callable[[], T]) -> T:
    """What networks and losses refuse about their input, and where they break on it, is the recipe's mistake: at the
    size of the pictures of the batch where it is about that, else at the part."""
    try:
        return play()
    except BuildError as error:
        raise parts.recipe.error(error) from error
    except GankitError:
        raise
    except Exception as error:
        path, who = _culprit(parts, error)
        text = f"{who}: {_words(error)}"
        if _is_bound(path):
            text += f". {_bound(parts, path)}"
        elif OF_SIZES.search(str(error)) and any(field.spatial for field in batch.fields.values()):
            height, width = batch.size
            text = f"{who}; the pictures are {width} x {height} px: {_words(error)}"
            path = ("data", side_of(parts.recipe)[0])
        raise parts.recipe.error(BuildError(path, text)) from error


def _words(error: Exception) -> str:
    """What an error says; errors of Python alone do not speak of recipes, so that their kind is told too."""
    return str(error) if isinstance(error, ValueError | RuntimeError) else f"{type(error).__name__}: {error}"


def _culprit(parts: Assembled, error: Exception) -> tuple[Path, str]:
    """The place of the network or loss in which an error arose, and words for what it was given."""
    networks = {id(network): key for key, network in parts.method.networks.items()}
    path, who = ("method",), "the method does not run"
    for frame, _ in traceback.walk_tb(error.__traceback__):
        names, caller = frame.f_locals, frame.f_locals.get("self")
        if isinstance(caller, TurnModule) and isinstance(term := names.get("term"), PlannedTerm):
            path, who = _of_term(parts, term, names["values"])
        elif isinstance(caller, TurnModule) and isinstance(node := names.get("node"), TensorNode):
            path, who = _of_node(parts, caller, node, names["values"])
        elif id(caller) in networks and not _is_bound(path) and (tensors := _pictures(frame)):
            role, _ = (key := networks[id(caller)]).rsplit("_", 1)
            path = ("method", role) if hasattr(parts.recipe.method, role) else ("method",)
            who = f"{key} fails on {' and '.join(map(_shown, tensors))}"
    return path, who


def _of_term(parts: Assembled, term: PlannedTerm, values: Mapping[str, Any]) -> tuple[Path, str]:
    arguments = ", ".join(f"{name} {_shown(values[key])}" for name, key in term.arguments)
    return _place(parts, term), f"the loss {term.name} fails on {arguments}"


def _of_node(parts: Assembled, turn: TurnModule, node: TensorNode, values: Mapping[str, Any]) -> tuple[Path, str]:
    """A tensor of the method; features are asked for by a loss."""
    arguments = " and ".join(_shown(values[key]) for key in node.arguments if not key.startswith("net:"))
    for term in turn.terms if isinstance(node.function, Extraction) else []:
        if node.key in (key for _, key in term.arguments):
            return _place(parts, term), f"the backbone of the loss {term.name} fails on {arguments or 'a network'}"
    of = f" of {arguments}" if arguments else ""
    return ("method",), f"the method cannot make `{node.key.partition('@')[0]}`{of}"


def _place(parts: Assembled, term: PlannedTerm) -> Path:
    """Of a loss; of its `on`, where the recipe binds it to other tensors than those that it was made for."""
    return ("losses", term.name, *(("on",) if parts.terms[term.name].on else ()))


def _is_bound(path: Path) -> bool:
    return path[0] == "losses" and path[2:] == ("on",)


def _bound(parts: Assembled, path: Path) -> str:
    """What to do about the `on` of a loss."""
    bound = " and ".join(f"`{name}` to `{tensor}`" for name, tensor in parts.terms[str(path[1])].on.items())
    return f"This binds {bound}: remove it, or bind a tensor of the kind and shape that the loss takes"


def _pictures(frame: FrameType) -> list[Tensor]:
    """The tensors that a function was called with."""
    call = inspect.getargvalues(frame)
    several = (*call.locals.get(call.varargs or "", ()), *call.locals.get(call.keywords or "", {}).values())
    return [x for x in (*(call.locals.get(name) for name in call.args), *several) if isinstance(x, Tensor)]


def _shown(value: Any) -> str:
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    if isinstance(value, Features):
        return "features"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return "nothing" if value is None else f"a {type(value).__name__}"
