"""Recipe: what the YAML file says, checked, with every default filled in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from annotated_types import MinLen
from packaging.version import Version
from pydantic import AfterValidator, BaseModel, Field, PrivateAttr, Strict, ValidationError
from pydantic_core import ErrorDetails

from gankit.core import dropping, library
from gankit.core.catalogue import catalogue
from gankit.core.document import MAX_BYTES, Document, Node, Option, Text, assign, decode, from_data, parse
from gankit.core.errors import BuildError, Path, Problem, RecipeError, dotted
from gankit.core.explain import DIST, NAME, TERM, shown
from gankit.core.files import read_given
from gankit.core.schema import Absent, Reading, Slot, Spec, Strictly, Typed
from gankit.core.sections import About, Evaluate, Line, TermSlot, Train
from gankit.core.versions import of_sources, warn_of_newer

FORMAT = 1

Dist = Annotated[str, Strict(), Field(pattern=DIST)]


def _is_version(text: str) -> str:
    try:
        Version(text)
    except ValueError:  # InvalidVersion, or more digits than Python reads
        raise ValueError(f"{shown(text)} is not a version; write it as '0.2.1'") from None
    return text


VersionText = Annotated[Line, AfterValidator(_is_version)]


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
