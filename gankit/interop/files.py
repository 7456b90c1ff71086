"""The files that an importer is given: which of them are taken, and the networks in them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gankit.interop.keys import State
from gankit.weights.files import SUFFIXES, UnfitFile, read, stem
from gankit.weights.unwrap import Wrapped, last, without_critics

__all__ = ["SUFFIXES", "Found", "Given", "UnfitFile"]

Found = tuple[Path, State]
"""A network's weights and the file that they are from."""
NUMBER = re.compile(r"(?:.*[_\-.])?(\d+)")
"""An epoch, or a step, in a file's name: 200, 00005000, iter_5000."""
LATEST = "latest"


@dataclass
class Given:
    """Files of weights, or the folders that hold them, and what was said about them.

    epoch: of the files of several epochs those of this one. keys: of several networks in each file the one of this
    name; as `FILE=NAME` in that file alone. taken: the files that were read. notes: what was chosen, in words.
    """

    paths: Sequence[Path]
    epoch: str | None = None
    keys: Sequence[str] = ()
    taken: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    # -- which files -------------------------------------------------------------------------------------------------
    def files(self, name: re.Pattern[str], of_generator: re.Pattern[str]) -> list[tuple[str, Path]]:
        """The files by the name of the network in them: those given, and of folders those of one epoch.

        name: of files as the project calls them, with the groups `net` and `epoch`. Others in a folder are left out;
        of those given the network is `""`. of_generator: networks without which an epoch is of no use. Of several
        epochs that of `latest` is taken, else that of the highest number. Raises UnfitFile.
        """
        found: list[tuple[str, str | None, Path]] = []
        for path in self.paths:
            inside = _inside(path) if path.is_dir() else [path]
            matched = [(m, p) for p in inside if (m := name.fullmatch(stem(p)))]
            if not matched and path.is_dir():
                continue
            some = [(m["net"], m["epoch"], p) for m, p in matched]
            if path.is_dir() or self.epoch is not None:
                some = self._of_one_epoch(path, some, of_generator) if some else some
            found += some + [("", None, p) for p in inside if not path.is_dir() and not name.fullmatch(stem(p))]
        if len(epochs := {epoch for _, epoch, _ in found}) > 1:
            names = ", ".join(path.name for _, _, path in found)
            self.notes.append(f"These files are of different epochs ({', '.join(map(_shown, epochs))}): {names}.")
        return [(net, path) for net, _, path in found]

    def _of_one_epoch(
        self, folder: Path, files: list[tuple[str, str | None, Path]], of_generator: re.Pattern[str]
    ) -> list[tuple[str, str | None, Path]]:
        epochs = list(dict.fromkeys(epoch for _, epoch, _ in files))
        with_generator = {epoch for net, epoch, _ in files if of_generator.fullmatch(net)}
        if self.epoch is not None:
            chosen = [epoch for epoch in epochs if _same(epoch, self.epoch)]
            if not chosen:
                there = ", ".join(map(_shown, epochs))
                raise UnfitFile(f"{folder}: nothing in it is of epoch '{self.epoch}'; there are {there}")
        else:
            candidates = [epoch for epoch in epochs if epoch in with_generator] or epochs
            best = max(map(_age, candidates))
            chosen = [epoch for epoch in candidates if _age(epoch) == best]
        if len(chosen) > 1:
            there = ", ".join(map(_shown, chosen))
            raise UnfitFile(f"{folder}: it has networks of several epochs ({there}): choose by --epoch NAME")
        taken = [file for file in files if file[1] == chosen[0]]
        if others := [_shown(epoch) for epoch in epochs if epoch != chosen[0]]:
            names = ", ".join(path.name for _, _, path in taken)
            shown = ", ".join(others[:6]) + (", ..." if len(others) > 6 else "")
            self.notes.append(f"Taken from {folder}: {names}. It has other epochs too ({shown}); --epoch chooses one.")
        return taken

    @property
    def where(self) -> str:
        """All that was given, in words."""
        return ", ".join(map(str, self.paths))

    # -- what is in them ---------------------------------------------------------------------------------------------
    def networks(self, file: Path, names: Collection[str] = ()) -> dict[str, Wrapped]:
        """The networks of a file by name; one may be without. Raises UnfitFile."""
        self.taken.append(file)
        return read(file, names=names, key=self._key(file))

    def _key(self, file: Path) -> str | None:
        """The last that is for this file alone; else the last that is for all."""
        chosen = [key.rpartition("=") for key in self.keys]
        own = [name for where, _, name in chosen if where in (file.name, str(file))]
        return next(reversed(own or [name for where, _, name in chosen if not where]), None)

    def refuse_unused_keys(self) -> None:
        """Raise UnfitFile where a key is for a file that was not read."""
        known = {name for file in self.taken for name in (file.name, str(file), "")}
        if unused := [key for key in self.keys if key.rpartition("=")[0] not in known]:
            read_ones = ", ".join(file.name for file in self.taken)
            raise UnfitFile(f"--key {unused[0]}: no such file was read; there are {read_ones}")

    def named(self, file: Path, names: Collection[str]) -> dict[str, Found]:
        """The networks of a file that are called so. Raises UnfitFile where there is none."""
        networks = self.networks(file, names)
        found = {last(name): (file, wrapped.state) for name, wrapped in networks.items() if last(name) in names}
        if not found:
            there = ", ".join(list(filter(None, networks))[:6]) or "one network without a name"
            raise UnfitFile(f"{file}: networks called {', '.join(names)} were expected, but it holds {there}")
        return found

    def lone(self, file: Path, critic: bool = False) -> Found:
        """The weights of the one network in a file; of a generator beside critics, the generator.

        Raises UnfitFile where there are several to choose from.
        """
        return self.only(file, self.networks(file), critic)

    def only(self, file: Path, networks: Mapping[str, Wrapped], critic: bool = False) -> Found:
        """The same, of networks that were read."""
        fitting = networks if critic else without_critics(networks)
        if len(fitting) > 1:
            names = ", ".join(fitting)
            raise UnfitFile(
                f"{file}: one network was expected, not {names}: choose by --key NAME, or --key {file.name}=NAME"
            )
        name, wrapped = next(iter(fitting.items()))
        if wrapped.note:
            self.notes.append(f"The weights were found {wrapped.note} of {file.name}.")
        if others := sorted(networks.keys() - {name}):
            self.notes.append(f"{', '.join(others)} of {file.name} not used.")
        return file, wrapped.state


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def _age(epoch: str | None) -> tuple[int, int]:
    """What is greatest of the epoch to take: `latest`, the highest number, any other name."""
    if epoch == LATEST:
        return 2, 0
    match = NUMBER.fullmatch(epoch or "")
    return (1, int(match[1])) if match else (0, 0)


def _same(epoch: str | None, asked: str) -> bool:
    return epoch == asked or (asked.isdigit() and (epoch or "").isdigit() and int(epoch or "") == int(asked))


def _shown(epoch: str | None) -> str:
    return epoch or "without one"
