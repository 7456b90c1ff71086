"""Recipe: what the YAML file says, checked, with every default filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import Field, PrivateAttr, Strict, ValidationError, ValidationInfo, field_validator

from gankit.core import library
from gankit.core.document import MAX_BYTES, Document, Text, assign, decode, from_data, parse
from gankit.core.errors import BuildError, Path, Problem, RecipeError, dotted
from gankit.core.registry import UnknownName, components, suggest
from gankit.core.schema import Number, Pick, Slot, Spec, Strictly, Typed, spec_of

FORMAT = 1

Line = Annotated[str, Strict(), MinLen(1)]
Count = Annotated[int, Strict(), Ge(1)]
Whole = Annotated[int, Strict(), Ge(0)]
Positive = Annotated[Number, Gt(0)]
NonNegative = Annotated[Number, Ge(0)]
Fraction = Annotated[Number, Ge(0), Le(1)]
Decay = Annotated[Number, Ge(0), Lt(1)]


class LossTerm(Spec):
    """A loss and its envelope: what the recipe says of it that is not the loss's own business.

    weight: factor, or one for each direction. on: argument of the loss -> tensor of the method. from_step: the step
    from which it counts. turn: whose update it belongs to, where the loss does not say.
    """

    weight: Number | dict[Literal["a2b", "b2a"], Number] = 1.0
    on: dict[Line, Line] = {}
    from_step: Whole = 0
    turn: Line | None = None

    @property
    def spec(self) -> Spec:
        """The loss itself: what `build_component` takes."""
        return self


class TermSlot(Slot):
    """A loss with its envelope."""

    @property
    def definition(self) -> str:
        return "term"

    def model(self, name: str) -> type[Typed]:
        return spec_of(components().find("loss", name), LossTerm)


class _Gradient(Typed):
    lr: Positive = 2e-4
    weight_decay: NonNegative = 0.0


class Adam(_Gradient, title="the optimizer adam"):
    """torch's Adam; weight_decay is L2 inside the gradient."""

    betas: tuple[Decay, Decay] = (0.5, 0.999)
    eps: Positive = 1e-8


class AdamW(Adam, title="the optimizer adamw"):
    """Adam with decoupled weight decay."""


class TFAdam(Adam, title="the optimizer tf_adam"):
    """Adam as TensorFlow computes it: eps is added before the bias correction."""


class SGD(_Gradient, title="the optimizer sgd"):
    momentum: Decay = 0.0


class RMSprop(_Gradient, title="the optimizer rmsprop"):
    alpha: Decay = 0.99
    eps: Positive = 1e-8
    momentum: Decay = 0.0


class LBFGS(Typed, title="the optimizer lbfgs"):
    """torch's L-BFGS, for objectives that do not change from step to step: the picture of `gatys`.

    max_iter: iterations in a step. history_size: of past gradients. Without line_search_fn it goes `lr` along
    its direction.
    """

    lr: Positive = 1.0
    max_iter: Count = 20
    history_size: Count = 100
    line_search_fn: Literal["strong_wolfe"] | None = None


OPTIMIZERS: dict[str, type[Typed]] = {
    "adam": Adam,
    "adamw": AdamW,
    "tf_adam": TFAdam,
    "sgd": SGD,
    "rmsprop": RMSprop,
    "lbfgs": LBFGS,
}


class OptimizerPick(Pick):
    def model(self, name: str) -> type[Typed]:
        if name in OPTIMIZERS:
            return OPTIMIZERS[name]
        near = suggest(name, OPTIMIZERS)
        hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(OPTIMIZERS)}"
        raise UnknownName(f"no optimizer is called {name!r}; {hint}")

    def names(self) -> list[str]:
        return list(OPTIMIZERS)


Optimizer = Annotated[Any, OptimizerPick("optimizer")]


class About(Strictly, title="about"):
    """What a recipe reproduces."""

    title: Line | None = None
    authors: Line | None = None
    year: Count | None = None
    arxiv: Line | None = None
    url: Line | None = None
    notes: Line | None = None


class Train(Strictly, title="train"):
    """How long, how fast, on what."""

    epochs: Annotated[Count | None, Field(description="passes over the data; or give `steps`")] = None
    steps: Annotated[Count | None, Field(description="updates of the generator; or give `epochs`")] = None
    steps_per_epoch: Annotated[Count | None, Field(description="shorten or lengthen an epoch to this")] = None
    batch_size: Count = 1
    optimizer: Optimizer = Adam(type="adam")
    optimizers: Annotated[
        dict[Line, Optimizer], Field(description="by turn, where it differs; the rest is as in `optimizer`")
    ] = {}
    schedule: Literal["linear", "cosine", "constant", "step"] = "linear"
    decay_from: Annotated[Fraction, Field(description="the part of the training that keeps the full rate")] = 0.5
    decay_every: Annotated[Literal["epoch", "step"], Field(description="when the rate changes")] = "epoch"
    drop_every: Annotated[
        Count | None, Field(description="of the schedule `step`: epochs or steps, as `decay_every` says, between drops")
    ] = None
    drop_factor: Annotated[Fraction, Field(description="of the schedule `step`: what each drop multiplies by")] = 0.5
    decay_at: Annotated[
        Literal["start", "end"],
        Field(description="CycleGAN's code lowers the rate at an epoch's start since 2020, at its end before"),
    ] = "end"
    pool_size: Annotated[Whole, Field(description="past fakes kept for the critic; 0: none")] = 50
    ema: Annotated[Decay | None, Field(description="decay of the averaged generator, per step")] = None
    precision: Annotated[
        Literal["fp32", "tf32", "bf16", "fp16"],
        Field(description="weights stay fp32; `tf32` is of CUDA devices, `bf16` and `fp16` are autocast"),
    ] = "fp32"
    compile: Annotated[bool | None, Field(description="compile each turn; null: the default of the device")] = None
    cuda_graph: Annotated[
        bool | None, Field(description="record each turn on the GPU and replay it; null: the default of the device")
    ] = None
    channels_last: Annotated[
        bool | None, Field(description="memory as (N, H, W, C); null: the default of the device")
    ] = None
    join_calls: Annotated[
        bool | None,
        Field(description="one call of a network on several pictures where that is exact; null: by device and batch"),
    ] = None
    checkpoint_activations: Annotated[
        bool, Field(description="save memory: compute activations again for the backward pass")
    ] = False
    accumulate: Annotated[Count, Field(description="batches per update")] = 1
    clip_norm: Annotated[Positive | None, Field(description="largest norm of each turn's gradient")] = None
    init_from: Annotated[
        Line | None, Field(description="a run whose networks this training begins with; its optimizers begin anew")
    ] = None
    seed: Annotated[Whole, Lt(2**32)] = 0
    workers: Annotated[Whole, Field(description="processes that read pictures; 0: the training itself does")] = 2
    augment: Annotated[
        Literal["workers", "device"],
        Field(description="who crops and flips, to the same bits; a CPU leaves it to the workers"),
    ] = "workers"
    log_every: Count = 50
    sample_every: Annotated[Count, Field(description="steps between sample grids")] = 500
    save_every: Annotated[Count, Field(description="steps between checkpoints")] = 500
    keep: Annotated[Count, Field(description="checkpoints kept")] = 2
    samples: Annotated[Count, Field(description="pictures in a sample grid")] = 4
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @classmethod
    def _rules(cls, data: Mapping[str, Any]) -> list[tuple[Path, str]]:
        given = [k for k in ("epochs", "steps") if data.get(k) is not None]
        found: list[tuple[Path, str]] = []
        if not given:
            found.append(((), "train needs `epochs` or `steps`"))
        if len(given) > 1:
            found.append((("steps",), "give `epochs` or `steps`, not both"))
        drops = data.get("drop_every") is not None
        if data.get("schedule") == "step" and not drops:
            found.append((("schedule",), "the schedule `step` needs `drop_every`: epochs or steps between drops"))
        elif drops and data.get("schedule") != "step":
            found.append((("drop_every",), "is of `schedule: step` alone"))
        return found

    @field_validator("optimizers", mode="before")
    @classmethod
    def _same_type(cls, value: Any, info: ValidationInfo) -> Any:
        main = info.data.get("optimizer")
        if not isinstance(value, Mapping) or main is None:
            return value
        plain = {k: v for k, v in value.items() if isinstance(v, Mapping) and "type" not in v}
        return {**value, **{k: {"type": main.type, **v} for k, v in plain.items()}}

    @field_validator("optimizers", mode="after")
    @classmethod
    def _rest_as_in_optimizer(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        main = info.data.get("optimizer")
        return {
            turn: main.model_copy(update={k: getattr(own, k) for k in own.model_fields_set})
            if main is not None and type(main) is type(own)
            else own
            for turn, own in value.items()
        }

    def optimizer_of(self, turn: str) -> Any:
        """The optimizer's model for a turn: `type`, `lr`, and the fields of its type."""
        return self.optimizers.get(turn, self.optimizer)


class Evaluate(Strictly, title="evaluate"):
    """What `gankit evaluate` measures."""

    metrics: Annotated[
        tuple[Annotated[Any, Slot("metric")], ...],
        Field(description="these; none named: all whose tensors are there, save those with networks of their own"),
    ] = ()
    samples: Annotated[Count | None, Field(description="the first so many test pictures; null: all")] = None
    reference: Annotated[
        Literal["target", "source", "mean"],
        Field(description="what KID, FID and the like compare with; the AGIT papers give the mean of both"),
    ] = "target"


class Recipe(Strictly, title="a recipe"):
    """A recipe, checked and with every default filled in.

    `method` and `data` are Specs; `losses` has a LossTerm for each name. Two recipes are equal when they mean the same,
    however they were written.
    """

    gankit: Literal[1]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    about: About = About()
    plugins: Annotated[dict[Line, Line], Field(description="distribution -> version, as in `>=0.2`")] = {}
    method: Annotated[Spec, Slot("method")]
    losses: Annotated[
        dict[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")], Annotated[Any, TermSlot("loss")]], MinLen(1)
    ]
    data: Annotated[Spec, Slot("dataset")]
    train: Train
    evaluate: Evaluate = Evaluate()

    _document: Document | None = PrivateAttr(None)

    @classmethod
    def load(cls, source: Any, sets: Sequence[str] = ()) -> Recipe:
        """A recipe from a path, the name of a shipped one, a dict, or a Recipe; `sets` are `a.b=c`.

        Raises RecipeError with every mistake.
        """
        if isinstance(source, Recipe) and not sets:
            return source
        document = _read(source)
        problems: list[Problem] = []
        for option in sets:
            try:
                assign(document.root, option)
            except RecipeError as e:
                problems += e.problems
        data = _named(document)
        problems += _plugin_problems(document, data)
        try:
            recipe = cls.model_validate(data)
        except ValidationError as e:
            raise RecipeError([*problems, *(_problem(document, f) for f in e.errors(include_url=False))]) from None
        if problems:
            raise RecipeError(problems)
        recipe._document = document
        return recipe

    def filled(self) -> dict[str, Any]:
        """Everything, defaults too, names qualified: JSON-able, and it loads back to an equal recipe."""
        return self.model_dump(mode="json")

    def locate(self, path: Path | str, message: str, at_key: bool = False) -> Problem:
        """A Problem at a place of this recipe: (("method", "generator"), "...") or "method.generator"."""
        steps = tuple(path.split(".")) if isinstance(path, str) else tuple(path)
        if self._document is None:
            return Problem(message, dotted(steps))
        return self._document.problem(steps, message, at_key)

    def error(self, *errors: BuildError) -> RecipeError:
        """BuildErrors as a RecipeError with lines and columns."""
        return RecipeError([self.locate(e.path, e.message) for e in errors])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.filled() == other.filled()

    __hash__ = None  # pyright: ignore[reportAssignmentType]


def _problem(document: Document, fault: Any) -> Problem:
    return document.problem(fault["loc"], fault["msg"], at_key=fault["type"] == "unknown_key")


def _read(source: Any) -> Document:
    if isinstance(source, Recipe):
        return Document(from_data(source.filled()), Text(f"recipe {source.name}", ""))
    if isinstance(source, Mapping):
        return Document(from_data(source), Text("", ""))
    if not isinstance(source, str | FilePath):
        raise TypeError(f"a recipe is a path, a shipped name, a dict or a Recipe, not {type(source).__name__}")
    name, path = str(source), library.find(source)
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as e:
        reason = e.strerror if isinstance(e, OSError) else str(e)
        raise RecipeError(Problem(f"cannot be read: {reason}", file=name)) from e
    text = Text(name, decode(raw, name))
    return Document(parse(text), text)


def _named(document: Document) -> dict[str, Any]:
    """The data, named after its file where it has no name. Raises RecipeError for what is no recipe of this format."""
    data, text = document.root.data(), document.text
    if data is None:
        raise RecipeError(text.problem("is empty: a recipe needs `gankit`, `method`, `losses`, `data`, `train`", None))
    if not isinstance(data, dict):
        raise RecipeError(text.problem("a recipe is a mapping: `gankit: 1`, `method: ...`", document.root.at))
    version = data.get("gankit")
    if isinstance(version, int) and version > FORMAT:
        message = f"is of format {version}, but this gankit reads {FORMAT}: upgrade gankit"
        raise RecipeError(document.problem(("gankit",), message))
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", FilePath(text.name).stem).strip("-._") if text.name else ""
    return {"name": stem or "recipe", **data}


def _plugin_problems(document: Document, data: dict[str, Any]) -> list[Problem]:
    """What `plugins: {gankit-cut: ">=0.2"}` asks for and this environment lacks."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    wanted = data.get("plugins")
    found: list[Problem] = []
    for dist, need in wanted.items() if isinstance(wanted, dict) else ():
        if not isinstance(need, str):
            continue  # the model says so
        path, pip = ("plugins", dist), f"`pip install '{dist}{need}'`"
        try:
            version = metadata.version(dist)
            if not SpecifierSet(need).contains(version, prereleases=True):
                found.append(document.problem(path, f"{dist} {version} is installed; {pip}"))
            elif dist in components().absent:
                found.append(document.problem(path, f"the plugin {dist} {components().absent[dist]}"))
        except metadata.PackageNotFoundError:
            found.append(document.problem(path, f"{dist} is not installed; {pip}"))
        except InvalidSpecifier:
            found.append(document.problem(path, f"{need!r} is no version; write it as '>=0.2'"))
    return found
