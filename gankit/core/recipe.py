"""Recipe: what the YAML file says, checked, with every default filled in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen
from packaging.version import Version
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    PrivateAttr,
    Strict,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from gankit.core import dropping, library
from gankit.core.catalogue import catalogue
from gankit.core.document import MAX_BYTES, Document, Node, Option, Text, assign, decode, from_data, parse
from gankit.core.errors import BuildError, Path, Problem, RecipeError, dotted
from gankit.core.explain import DIST, NAME, TERM, shown
from gankit.core.files import read_given
from gankit.core.schema import MOST, Absent, Number, Reading, Slot, Spec, Strictly, Typed, spec_of
from gankit.core.versions import of_sources, warn_of_newer

FORMAT = 1

Line = Annotated[str, Strict(), MinLen(1)]
Dist = Annotated[str, Strict(), Field(pattern=DIST)]
Count = Annotated[int, Strict(), Ge(1), MOST[int]]
Whole = Annotated[int, Strict(), Ge(0), MOST[int]]
Positive = Annotated[Number, Gt(0)]
Decay = Annotated[Number, Ge(0), Lt(1)]


def _is_version(text: str) -> str:
    try:
        Version(text)
    except ValueError:  # InvalidVersion, or more digits than Python reads
        raise ValueError(f"{shown(text)} is not a version; write it as '0.2.1'") from None
    return text


VersionText = Annotated[Line, AfterValidator(_is_version)]


class LossTerm(Spec):
    """A loss and its envelope: what the recipe says of it that is not the loss's own business.

    weight: factor, or one for each direction. on: argument of the loss -> tensor of the method. from_step: the step
    from which it counts. turn: whose update it belongs to, where the loss does not say.
    """

    weight: Annotated[
        Number | dict[Literal["a2b", "b2a"], Number], Field(description="a factor on the loss, or one by direction")
    ] = 1.0
    on: Annotated[dict[Line, Line], Field(description="what it asks for -> another tensor of the method")] = {}
    from_step: Annotated[Whole, Field(description="before this step it is not computed")] = 0
    turn: Annotated[Line | None, Field(description="whose loss it is, where that does not follow from the loss")] = None

    @property
    def spec(self) -> Spec:
        """The loss itself: what `build_component` takes."""
        return self


class TermSlot(Slot):
    """A loss with its envelope."""

    @property
    def definition(self) -> str:
        return "term"

    def model(self, name: str) -> type[Spec]:
        return spec_of(catalogue().find("loss", name), LossTerm)

    def _mapping(self, value: object) -> Mapping[str, Any]:
        if value is None:  # an option that says so drops it; in a file it may be a line that was never finished
            raise PydanticCustomError(
                "shape", "must be the name of a loss, or a mapping with `type`; leave out a loss that is not wanted"
            )
        return super()._mapping(value)


class About(Strictly, title="about"):
    """What a recipe reproduces."""

    title: Annotated[Line | None, Field(description="of the paper")] = None
    authors: Annotated[Line | None, Field(description="of the paper")] = None
    year: Annotated[Count | None, Field(description="of the paper")] = None
    arxiv: Annotated[Line | None, Field(description="the number of the paper there, in quotes: '1703.10593'")] = None
    url: Annotated[Line | None, Field(description="where more is told")] = None
    notes: Annotated[Line | None, Field(description="what else is worth knowing")] = None


class Measure(Strictly, title="measure"):
    """What is measured while training, on pictures that are not trained on."""

    every: Annotated[Count, Field(description="steps between measurements")] = 500
    metrics: Annotated[
        tuple[Annotated[Any, Slot("metric")], ...],
        Field(
            description="which metrics; none named: all whose tensors are available, but for those with own networks"
        ),
    ] = ()
    samples: Annotated[Count | None, Field(description="measure only the first N pictures of the split; null: all")] = (
        64
    )
    split: Annotated[
        Literal["val", "test"], Field(description="the split of the data; better leave `test` for the end")
    ] = "val"


class Train(Strictly, title="train"):
    """How long, how fast, on what."""

    epochs: Annotated[Count | None, Field(description="how often training passes over the data; or give `steps`")] = (
        None
    )
    steps: Annotated[Count | None, Field(description="how often the generator is updated; or give `epochs`")] = None
    steps_per_epoch: Annotated[
        Count | None, Field(description="the length of an epoch in steps, instead of that of the data")
    ] = None
    first_epoch: Annotated[
        Whole, Field(description="begin as if this many epochs had passed: schedule, phases and length count them")
    ] = 0
    batch_size: Annotated[int, Strict(), Ge(1), Le(1_000_000), Field(description="items of a step")] = 1
    shuffle: Annotated[bool, Field(description="false: every epoch takes the items in the order of the data set")] = (
        True
    )
    optimizer: Annotated[
        Any, Slot("optimizer"), Field(description="of every turn, with its learning rate", validate_default=True)
    ] = "adam"
    optimizers: Annotated[
        dict[Line, Annotated[Any, Slot("optimizer")]],
        Field(description="for each turn, the settings that differ from `optimizer`"),
    ] = {}
    schedule: Annotated[
        Any,
        Slot("schedule"),
        Field(validate_default=True, description="how the learning rates change: a factor on each of them"),
    ] = "linear"
    pool_size: Annotated[
        int, Strict(), Ge(0), Le(1_000_000), Field(description="how many past fakes are kept for the critic; 0: none")
    ] = 50
    ema: Annotated[Decay | None, Field(description="decay per step of the averaged generator")] = None
    precision: Annotated[
        Literal["fp32", "tf32", "bf16", "fp16"],
        Field(description="weights stay fp32; `tf32` needs a CUDA device; `bf16` and `fp16` use autocast"),
    ] = "fp32"
    deterministic: Annotated[
        bool, Field(description="on a GPU, algorithms that give the same bits in every run; slower")
    ] = False
    compile: Annotated[bool | None, Field(description="compile each turn; null: the default of the device")] = None
    cuda_graph: Annotated[
        bool | None, Field(description="record each turn on the GPU and replay it; null: the default of the device")
    ] = None
    channels_last: Annotated[
        bool | None, Field(description="store pictures as (N, H, W, C); null: the default of the device")
    ] = None
    join_calls: Annotated[
        bool | None,
        Field(
            description="call a network once on several pictures where that is exact; null: decided by device and batch"
        ),
    ] = None
    checkpoint_activations: Annotated[
        bool, Field(description="save memory by computing activations again in the backward pass")
    ] = False
    accumulate: Annotated[int, Strict(), Ge(1), Le(1_000_000), Field(description="batches per update")] = 1
    clip_norm: Annotated[Positive | None, Field(description="limit the norm of the gradient of each turn to this")] = (
        None
    )
    init_from: Annotated[Line | None, Field(description="start from the networks of this run, with new optimizers")] = (
        None
    )
    seed: Annotated[int, Strict(), Ge(0), Lt(2**32), Field(description="of all that is random")] = 0
    workers: Annotated[
        int,
        Strict(),
        Ge(0),
        Le(1000),
        Field(description="how many processes read pictures; 0: the training process does"),
    ] = 2
    place: Annotated[
        Literal["workers", "device"],
        Field(
            description="where pictures are cropped and flipped, with the same result; on a CPU always in the workers"
        ),
    ] = "workers"
    log_every: Annotated[Count, Field(description="steps between lines of the log")] = 50
    sample_every: Annotated[Count, Field(description="steps between sample grids")] = 500
    save_every: Annotated[Count, Field(description="steps between checkpoints")] = 500
    keep: Annotated[Count, Field(description="checkpoints kept")] = 2
    keep_every: Annotated[Count | None, Field(description="keep the checkpoints of every N-th step for ever")] = None
    measure: Annotated[Measure | None, Field(description="what to measure while training; null: nothing")] = None
    samples: Annotated[int, Strict(), Ge(1), Le(1000), Field(description="how many pictures a sample grid has")] = 4
    watch: Annotated[
        tuple[Literal["gradients", "rho"], ...],
        Field(
            description="what to log besides the losses and what the critics say: norms of gradients by network; `rho` "
            "of AdaLIN and LIN by layer"
        ),
    ] = ()
    device: Annotated[Literal["auto", "cpu", "cuda"], Field(description="auto: the GPU where there is one")] = "auto"
    augments: Annotated[
        tuple[Annotated[Any, Slot("augment")], ...],
        Field(description="the augments between pictures and critics, in their order"),
    ] = ()
    callbacks: Annotated[
        tuple[Annotated[Any, Slot("callback")], ...],
        Field(description="what listens to the training", validate_default=True),
    ] = ("tensorboard",)

    @classmethod
    def _rules(cls, data: Mapping[str, Any]) -> list[tuple[Path, str]]:
        lengths = [k for k in ("epochs", "steps") if data.get(k) is not None]
        faults: list[tuple[Path, str]] = []
        if not lengths:
            faults.append(((), "train needs `epochs` or `steps`"))
        if len(lengths) > 1:
            faults.append((("steps",), "give `epochs` or `steps`, not both"))
        epochs, first = data.get("epochs"), data.get("first_epoch", 0)
        if isinstance(epochs, int) and isinstance(first, int) and first >= epochs > 0:
            faults.append((("first_epoch",), f"nothing is left of {epochs} epochs after {first}"))
        return faults

    @field_validator("optimizers", mode="before")
    @classmethod
    def _same_type(cls, value: Any, info: ValidationInfo) -> Any:
        main = info.data.get("optimizer")
        if not isinstance(value, Mapping):
            return value
        plain = {k: v for k, v in value.items() if isinstance(v, Mapping) and "type" not in v}
        if main is None:  # it is refused; what these mean nobody can say
            return {k: v for k, v in value.items() if k not in plain}
        return {**value, **{k: {"type": main.type, **v} for k, v in plain.items()}}

    @field_validator("optimizers", mode="after")
    @classmethod
    def _rest_as_in_optimizer(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        main = info.data.get("optimizer")
        return {
            turn: main.model_copy(update={k: getattr(own, k) for k in own.model_fields_set})
            if isinstance(main, Spec) and type(main) is type(own)
            else own
            for turn, own in value.items()
        }

    def optimizer_of(self, *turn: str) -> Spec:
        """The optimizer of a turn, given by the names that it goes by: the first of them that has one of its own."""
        return next((self.optimizers[name] for name in turn if name in self.optimizers), self.optimizer)


class Evaluate(Strictly, title="evaluate"):
    """What `gankit evaluate` measures."""

    metrics: Annotated[
        tuple[Annotated[Any, Slot("metric")], ...],
        Field(
            description="which metrics; none named: all whose tensors are available, but for those with own networks"
        ),
    ] = ()
    samples: Annotated[Count | None, Field(description="measure only the first N test pictures; null: all")] = None
    reference: Annotated[
        Literal["target", "source", "mean"],
        Field(description="what KID, FID and similar metrics compare with; the AGIT papers print the mean of both"),
    ] = "target"


class Recipe(Strictly, title="a recipe"):
    """A recipe, checked and with every default filled in.

    `method` and `data` are Specs; `losses` has a LossTerm for each name. Two recipes are equal when they mean the same,
    however they were written.
    """

    gankit: Annotated[Literal[1], Field(description="the version of the format")]
    name: Annotated[str, Field(pattern=NAME, description="of the run; that of the file where it is not given")]
    about: Annotated[About, Field(description="what the recipe reproduces")] = About()
    plugins: Annotated[dict[Dist, Line], Field(description="distribution -> version, as in `>=0.2`")] = {}
    versions: Annotated[
        dict[Dist, VersionText],
        Field(description="distribution -> the version that wrote this; gankit fills it in, in the recipes of runs"),
    ] = {}
    method: Annotated[Spec, Slot("method"), Field(description="what is trained, with its networks")]
    losses: Annotated[
        dict[Annotated[str, Field(pattern=TERM)], Annotated[Any, TermSlot("loss")]],
        MinLen(1),
        Field(description="what it is trained for: each loss by a name of your choice"),
    ]
    data: Annotated[Spec, Slot("dataset"), Field(description="what it is trained on")]
    train: Annotated[Train, Field(description="how long, how fast, on what")]
    evaluate: Annotated[Evaluate, Field(description="what is measured")] = Evaluate()

    _document: Document | None = PrivateAttr(None)

    @classmethod
    def load(cls, source: Any, sets: Sequence[str] = (), *, for_use: bool = False) -> Recipe:
        """A recipe from a path, the name of a shipped one, a dict, or a Recipe; `sets` are `a.b=c`.

        What an older version of a plugin wrote is brought up to date by its parts. for_use: of a method that is trained
        already; parts that only a training or its figures need may be missing, and are kept as they stand.

        Raises RecipeError with every mistake. Warns of a plugin that is older than the one that wrote the recipe.
        """
        if isinstance(source, Recipe) and not sets and (for_use or not source.lacks()):
            return source
        document = _read(source)
        problems: list[Problem] = []
        losses = dropping.losses(document)
        for option in sets:
            try:
                assign(document.root, option)
            except RecipeError as e:
                problems += e.problems
        _replace_length(document.root)
        problems += dropping.drop(document, losses)
        data = _named(document)
        problems += [] if for_use else _plugin_problems(document, data)
        written = _written(data)
        warn_of_newer(f"the recipe {data['name']}", written)
        try:
            recipe = cls.model_validate(data, context=Reading(written, for_use))
        except ValidationError as e:
            raise RecipeError([*problems, *(_problem(document, f) for f in e.errors(include_url=False))]) from None
        if problems:
            raise RecipeError(problems)
        recipe._document = document
        return recipe

    def filled(self) -> dict[str, Any]:
        """Everything, defaults too, names qualified: JSON-able, and it loads back to an equal recipe."""
        return self.model_dump(mode="json") | {"versions": self.made_with()}

    def made_with(self) -> dict[str, str]:
        """Distribution -> version: gankit's, and that of every plugin whose parts it names."""
        absent = {part.type.rpartition("/")[0] for part in self.lacks()}
        present = {part.entry.source for part in _parts(self) if isinstance(part, Spec)}
        return {dist: v for dist, v in self.versions.items() if dist in absent} | of_sources(present)

    def lacks(self) -> list[Absent]:
        """The parts that are not here; of a recipe that is loaded `for_use`."""
        return [part for part in _parts(self) if isinstance(part, Absent)]

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


def _replace_length(root: Node) -> None:
    """Of `epochs` and `steps` of a training, the one that `--set` gives replaces the one that stands there."""
    train = root.child("train")
    lengths = {key: train.child(key) for key in ("epochs", "steps")} if train else {}
    given = [key for key, node in lengths.items() if node and isinstance(node.origin, Option)]
    if train and len(given) == 1:
        for key in lengths.keys() - given:
            train.value.pop(key, None)


def _parts(value: object) -> Iterator[Typed]:
    """Every part that it names, at any depth."""
    if isinstance(value, Typed):
        yield value
    if isinstance(value, BaseModel):
        value = dict(value)
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    for one in inner:
        yield from _parts(one)


def _written(data: Mapping[str, Any]) -> dict[str, str]:
    """The versions that a recipe tells; those that are none are refused elsewhere."""

    def fits(text: str) -> bool:
        try:
            return bool(Version(text))
        except (ValueError, TypeError):
            return False

    versions = data.get("versions")
    if not isinstance(versions, Mapping):
        return {}
    return {dist: text for dist, text in versions.items() if re.fullmatch(DIST, dist) and fits(text)}


def _problem(document: Document, fault: ErrorDetails) -> Problem:
    return document.problem(fault["loc"], fault["msg"], at_key=fault["type"] == "unknown_key")


def _read(source: object) -> Document:
    if isinstance(source, Recipe):
        return Document(from_data(source.filled()), Text(f"recipe {source.name}", ""))
    if isinstance(source, Mapping):
        return Document(from_data(source), Text("", ""))
    if not isinstance(source, str | FilePath):
        raise TypeError(
            f"a recipe must be a path, the name of one that ships, a dict or a Recipe, not {type(source).__name__}"
        )
    name, path = str(source), library.find(source)
    try:
        raw = read_given(path, MAX_BYTES + 1)
    except (OSError, ValueError) as e:
        reason = (isinstance(e, OSError) and e.strerror) or str(e)
        raise RecipeError(Problem(f"cannot be read: {reason}", file=name)) from e
    text = Text(name, decode(raw, name))
    return Document(parse(text), text)


def _named(document: Document) -> dict[str, Any]:
    """The data, named after its file where it has no name. Raises RecipeError for what is no recipe of this format."""
    data, text = document.root.data(), document.text
    if data is None:
        raise RecipeError(text.problem("is empty: a recipe needs `gankit`, `method`, `losses`, `data`, `train`", None))
    if not isinstance(data, dict):
        raise RecipeError(text.problem("a recipe must be a mapping: `gankit: 1`, `method: ...`", document.root.at))
    version = data.get("gankit")
    if isinstance(version, int) and version > FORMAT:
        message = f"has format {version}, but this gankit reads {FORMAT}: upgrade gankit"
        raise RecipeError(document.problem(("gankit",), message))
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", FilePath(text.name).stem).strip("-._") if text.name else ""
    return {"name": stem or "recipe", **data}


def _plugin_problems(document: Document, data: dict[str, Any]) -> list[Problem]:
    """What `plugins: {gankit-cut: ">=0.2"}` asks for and this environment lacks."""
    from packaging.specifiers import SpecifierSet

    wanted = data.get("plugins")
    problems: list[Problem] = []
    for dist, need in wanted.items() if isinstance(wanted, dict) else ():
        if not isinstance(need, str) or not re.fullmatch(DIST, dist):
            continue  # the model says so
        path, pip = ("plugins", dist), f"`pip install {shlex.quote(f'{dist}{need}')}`"
        try:
            specifier = SpecifierSet(need)
            version = metadata.version(dist)
            if not specifier.contains(version, prereleases=True):
                problems.append(document.problem(path, f"{dist} {version} is installed; {pip}"))
            elif dist in catalogue().absent:
                problems.append(document.problem(path, f"the plugin {dist} {catalogue().absent[dist]}"))
        except metadata.PackageNotFoundError:
            problems.append(document.problem(path, f"{dist} is not installed; {pip}"))
        except ValueError:  # InvalidSpecifier, or more digits than Python reads
            problems.append(document.problem(path, f"{shown(need)} is not a version; write it as '>=0.2'"))
    return problems
