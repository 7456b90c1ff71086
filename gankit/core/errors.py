"""What gankit raises. Each says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

Path = tuple[str | int, ...]
MANY, LONGEST = 60, 2000
"""Mistakes that are told of a recipe, and letters of one."""
REPEATED = 120
"""Letters up to which a message is told again at other places."""


def dotted(path: Iterable[str | int]) -> str:
    """("losses", "both", 1) -> "losses.both.1"."""
    return ".".join(map(str, path))


@dataclass(frozen=True)
class Problem:
    """One mistake of a recipe and its place. `line` and `col` count from 1; 0 where there is no file."""

    message: str
    path: str = ""
    file: str = ""
    line: int = 0
    col: int = 0
    source: str = ""

    def __str__(self) -> str:
        file, path = (printable(short(text)) for text in (self.file, self.path))
        where = f"{file}:{self.line}:{self.col}" if self.line else file
        head = " ".join(part for part in (where, path) if part)
        message = printable(short(self.message, LONGEST), lines=True)
        text = f"{head}: {message}" if head else message
        if not self.source:
            return text
        shown, col = _window(self.source.expandtabs(1), max(self.col, 1))
        before = printable(shown[: col - 1])
        return f"{text}\n    {before}{printable(shown[col - 1 :])}\n    {' ' * len(before)}^"


def printable(text: str, lines: bool = False) -> str:
    """A text of others without what a terminal would obey: control characters, marks of direction, halves of letters.

    lines: whether it may have several.
    """
    return "".join(c if c.isprintable() or (lines and c == "\n") else ascii(c)[1:-1] for c in text)


def short(text: str, most: int = 200) -> str:
    """The beginning and the end of a text that is too long."""
    return text if len(text) <= most else f"{text[: most - 63]}...{text[-60:]}"


def _window(line: str, col: int, width: int = 110) -> tuple[str, int]:
    """The part of a long line that has column `col` in it."""
    start = max(0, col - width // 2) if len(line) > width else 0
    return line[start : start + width], col - start


class GankitError(Exception):
    """The root of all errors that gankit raises on purpose."""

    exit_code = 1
    """Of the command that ends with it: 1 the work failed, 2 the input was wrong."""


class RecipeError(GankitError):
    """A recipe is wrong. `problems` has every mistake, in the order of the lines."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem] | Problem) -> None:
        several = [problems] if isinstance(problems, Problem) else list(problems)
        self.problems = sorted(several, key=lambda p: (p.file, p.line, p.col))
        told = list(map(str, _once(self.problems[:MANY])))
        if others := len(self.problems) - MANY:
            told += [f"and {others} more mistakes"] if others > 0 else []
        super().__init__("\n".join(told))

    def __reduce__(self):
        return type(self), (self.problems,)


def _once(problems: Iterable[Problem]) -> Iterator[Problem]:
    """A long message that stands at several places is told at the first of them."""
    places: dict[str, str] = {}
    for problem in problems:
        first = places.setdefault(problem.message, problem.path)
        if problem.path != first and len(problem.message) > REPEATED:
            problem = replace(problem, message=f"the same as at {first}")
        yield problem


class BuildError(GankitError):
    """A valid recipe cannot be assembled. `path` is the place in the recipe, as a tuple of keys and indices."""

    exit_code = 2

    def __init__(self, path: Path | str, message: str) -> None:
        self.path: Path = tuple(path.split(".")) if isinstance(path, str) else tuple(path)
        self.message = message
        super().__init__(f"{dotted(self.path)}: {message}" if self.path else message)

    def __reduce__(self):
        return type(self), (self.path, self.message)


class ComponentError(GankitError):
    """A component's signature cannot be described in a recipe, or its module cannot be imported."""


class PluginError(GankitError):
    """A plugin is broken, or does what plugins may not do."""


class DataError(GankitError):
    """The pictures are missing, unreadable or unfit."""

    exit_code = 2


class CheckpointError(GankitError):
    """A checkpoint is missing, unreadable or of another recipe."""

    exit_code = 2


class TrainingError(GankitError):
    """Training cannot go on: a loss or a network became NaN or infinite."""
