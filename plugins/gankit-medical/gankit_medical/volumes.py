"""Volumes as slices: files or series of two kinds of scans, split by patient, kept decoded on disk."""

from __future__ import annotations

import copy
import hashlib
import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from gankit import DataError
from gankit.codecs import Codec, CodecSlot, as_codec
from gankit.data import Split
from gankit.fields import Field, Label, Mask, Picture
from gankit.slots import Ge, Lt
from gankit_medical.dicom import Dicom, Place, WithoutPixels, in_order, place_of, read_head
from gankit_medical.slices import Sliced, check_enough, neighbours_of

FORMAT = 1
"""Of what is kept: another number where it is made or stored in another way."""
PATIENT = "^[^/]+"
"""The first folder below `a` or `b`, or the name of a file there."""


class Volume(NamedTuple):
    """A volume: its name below its folder, without ending, and its files in the order of their slices."""

    name: str
    files: tuple[Path, ...]


class Kept(NamedTuple):
    """A decoded volume on disk, (S, C + 1, H, W) float32, the last channel the body."""

    file: Path
    shape: tuple[int, ...]


def mapped(file: Path) -> NDArray[np.float32]:
    """The values of a file, which stays open as long as they are in use: there may be thousands.

    Raises whatever NumPy does on a damaged file, and ValueError for other values.
    """
    values = np.load(file, mmap_mode="c")  # copied on writing, so that torch takes it
    if values.ndim != 4 or values.dtype != np.float32:
        raise ValueError(f"{file} holds {values.dtype} of {values.shape}")
    return values


class Volumes:
    """Slices of volumes of two domains: NIfTI files, or DICOM series, a folder each or several in one.

    An item has `a` and `b`, (C, crop, crop) in [-1, 1] by the window of the codec, C being its slices times the
    channels of the files, at a place drawn for each; the mask of the body, `body_a` and `body_b`, (1, crop, crop); and
    the number of the volume, `volume_a` and `volume_b`, int64 (). Item i holds slice i of all of A (from the start
    again where A has fewer) and a random one of B. Slices of `val` and `test` are whole, and never random. Where the
    two are `paired`, b is the slice of the volume of the same name, cropped alike, and each the other's truth.

    codec: `nifti` or `dicom`, with a window; its `slices` are those of a picture. With other codecs a folder of files
    is a volume, in the order of their names. root, a, b: folders. patient: a regular expression that finds the patient
    in the name of a volume below `a` or `b`, its first group or all that it matches. test, val: the shares of patients
    that are set aside, chosen by nothing but the patient, so that all volumes of one, in a and in b, are on one side,
    and others stay where they are when patients come or go. crop: side of a training picture. body: values above are
    body, in units; None: a twentieth of the window above its lower end; of these the largest connected part in three
    dimensions, holes of its slices filled. cache_folder: where decoded volumes are kept as .npy, four bytes a value;
    default `~/.cache/gankit/volumes`. It may be deleted at any time, and holds pictures of patients, without names.

    gankit's own. Raises DataError for folders without volumes, a split without patients, slices smaller than the crop,
    fewer than a picture reaches, of several sizes or twice at one place, and volumes without a partner of their size.
    """

    def __init__(
        self,
        *,
        codec: CodecSlot,
        root: str = "",
        a: str = "A",
        b: str = "B",
        patient: str = PATIENT,
        test: Annotated[float, Ge(0), Lt(1)] = 0.2,
        val: Annotated[float, Ge(0), Lt(1)] = 0.1,
        crop: Annotated[int, Ge(8)] = 256,
        paired: bool = False,
        body: float | None = None,
        cache_folder: str = "",
    ) -> None:
        codec = as_codec(codec)
        if codec.low is None or codec.high is None:
            raise ValueError("the codec needs a window: give it low and high, such as -200 and 400 HU")
        if test + val >= 1:
            raise ValueError(f"test ({test}) and val ({val}) leave no patients for training")
        try:
            self._patient = re.compile(patient)
        except re.error as error:
            raise ValueError(f"patient is not a regular expression: {error}") from error
        self.codecs = {"a": codec, "b": codec}
        self._slices = codec.slices if isinstance(codec, Sliced) else 1
        self._codec = copy.copy(codec)  # of single slices
        if isinstance(self._codec, Sliced):
            self._codec.slices = 1
        self._body = codec.low + (codec.high - codec.low) / 20 if body is None else body
        if self._body >= codec.high:
            raise ValueError(f"body is {self._body:g}, and no value above it: the window ends at {codec.high:g}")
        self._shares = {"test": test, "val": val}
        self._folder = Path(cache_folder).expanduser() if cache_folder else default_folder()
        self.size, self.paired = crop, paired
        below = Path(root).expanduser()
        self._all = {side: volumes_in(below / Path(name).expanduser(), codec) for side, name in (("a", a), ("b", b))}
        self._enter("train")

    def _enter(self, split: Split) -> None:
        self._split: Split = split
        chosen = {side: [v for v in found if self._split_of(v) == split] for side, found in self._all.items()}
        if self.paired:
            chosen = _partners(chosen)
        for side, volumes in chosen.items():
            if not volumes:
                count = len({self._patient_of(volume) for volume in self._all[side]})
                raise DataError(
                    f"no patient of {side}, of {count} in all, is in the split {split}: choose other shares `test` and "
                    "`val`, or another pattern `patient`"
                )
        self._volumes = chosen
        self._on_disk = {side: [self._kept(v) for v in volumes] for side, volumes in chosen.items()}
        channels = {side: self._check(side) for side in "ab"}
        if self.paired:
            self._check_pairs()
        self._starts = {s: list(accumulate((x.shape[0] for x in v), initial=0)) for s, v in self._on_disk.items()}
        self.counts = {side: starts[-1] for side, starts in self._starts.items()}
        self.fields: Mapping[str, Field] = {
            **{side: Picture(channels[side] * self._slices) for side in "ab"},
            **{f"body_{side}": Mask(of=side) for side in "ab"},
            **{f"volume_{side}": Label(max(2, len(chosen[side]))) for side in "ab"},
        }

    def split(self, name: Split) -> Volumes:
        """The "train", "val" or "test" patients. Raises DataError where there are none."""
        if name == self._split:
            return self
        other = copy.copy(self)
        other._enter(name)
        return other

    def patients(self) -> set[str]:
        """Those of this split."""
        return {self._patient_of(volume) for volumes in self._volumes.values() for volume in volumes}

    @property
    def sources(self) -> dict[str, list[Path]]:
        """The files of each domain."""
        return {side: [file for volume in v for file in volume.files] for side, v in self._volumes.items()}

    def __len__(self) -> int:
        return self.counts["a"] if self.paired else max(self.counts.values())

    def __repr__(self) -> str:
        told = ", ".join(f"{self.counts[s]} slices of {len(v)} volumes in {s}" for s, v in self._volumes.items())
        return f"Volumes({self._split}: {told})"

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Item `index`; b's slice and the crops are drawn from `generator`."""
        train = self._split == "train"
        a = index % self.counts["a"]
        if self.paired:
            b = a
        elif train:
            b = int(torch.randint(self.counts["b"], (1,), generator=generator))
        else:
            b = index % self.counts["b"]
        spots = torch.rand(2, 2, generator=generator) if train else None
        item: dict[str, Tensor] = {}
        for side, at in (("a", a), ("b", b)):
            spot = None if spots is None else spots[0 if self.paired else "ab".index(side)]
            item |= self._slice(side, at, spot)
        return item

    def _slice(self, side: str, at: int, spot: Tensor | None) -> dict[str, Tensor]:
        number = bisect_right(self._starts[side], at) - 1
        values = torch.from_numpy(self._values(side, number))
        level = at - self._starts[side][number]
        if spot is not None:
            top, left = (int(s * (full - self.size + 1)) for s, full in zip(spot, values.shape[2:], strict=True))
            values = values[..., top : top + self.size, left : left + self.size]
        picture = neighbours_of(values[:, :-1], torch.tensor([level]), self._slices)[0]
        return {
            side: picture.clone(),
            f"body_{side}": values[level, -1:].clone(),
            f"volume_{side}": torch.tensor(number),
        }

    # -- patients ----------------------------------------------------------------------------------------------------
    def _patient_of(self, volume: Volume) -> str:
        found = self._patient.search(volume.name)
        patient = found and (found[1] if found.re.groups and found[1] is not None else found[0])
        if not patient:
            raise DataError(f"{volume.files[0]}: `patient` ({self._patient.pattern}) finds nothing in {volume.name}")
        return patient

    def _split_of(self, volume: Volume) -> Split:
        digest = hashlib.sha256(self._patient_of(volume).encode("utf-8", "surrogateescape")).digest()
        place = int.from_bytes(digest[:4], "big") / 2**32
        if place < self._shares["test"]:
            return "test"
        return "val" if place < self._shares["test"] + self._shares["val"] else "train"

    # -- values ------------------------------------------------------------------------------------------------------
    def _values(self, side: str, number: int) -> NDArray[np.float32]:
        with suppress(Exception):
            return mapped(self._on_disk[side][number].file)
        return mapped(self._kept(self._volumes[side][number]).file)  # somebody emptied the folder meanwhile

    def _check(self, side: str) -> int:
        """The channels of a side. Raises DataError where its volumes do not fit."""
        first = self._on_disk[side][0].shape
        for volume, (_, shape) in zip(self._volumes[side], self._on_disk[side], strict=True):
            if self._split == "train" and min(shape[2:]) < self.size:
                height, width = shape[2:]
                raise DataError(
                    f"{volume.files[0]}: its slices, {width} x {height} px, are smaller than crop {self.size}"
                )
            try:
                check_enough(shape[0], self._slices)
            except DataError as error:
                raise DataError(f"{volume.files[0]}: {error}") from None
            if shape[1] != first[1]:
                raise DataError(f"{volume.files[0]}: it has other channels than {self._volumes[side][0].files[0]}")
        return first[1] - 1

    def _check_pairs(self) -> None:
        """Raise DataError where a slice has no counterpart, place by place."""
        for number, (a, b) in enumerate(zip(self._on_disk["a"], self._on_disk["b"], strict=True)):
            ours, theirs = ((x.shape[0], *x.shape[2:]) for x in (a, b))
            if ours != theirs:
                files = (self._volumes[side][number].files[0] for side in "ab")
                sizes = (" x ".join(map(str, size)) for size in (ours, theirs))
                raise DataError(
                    f"{next(files)}: its {next(sizes)} voxels are no pair of {next(files)}, of {next(sizes)}"
                )

    def _kept(self, volume: Volume) -> Kept:
        """Where it is kept; decoded first, where it is not there or is damaged."""
        made_from = [(str(f.resolve()), f.stat().st_mtime_ns, f.stat().st_size) for f in volume.files]
        name = hashlib.sha256(repr((FORMAT, made_from, self._codec, self._body)).encode()).hexdigest()
        file = self._folder / f"{name}.npy"
        with suppress(Exception):  # it is not there, or damaged
            return Kept(file, mapped(file).shape)
        values = self._decoded(volume)
        draft = file.with_name(f".{name}.{os.getpid()}.npy")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                np.save(draft, values)
                draft.replace(file)
            finally:
                draft.unlink(missing_ok=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DataError(
                f"{self._folder}: decoded volumes cannot be kept there ({reason}); set data.cache_folder to another "
                "folder"
            ) from error
        return Kept(file, values.shape)

    def _decoded(self, volume: Volume) -> NDArray[np.float32]:
        if self._codec.stacks:
            values = self._codec.read_stack(volume.files[0])
        else:
            slices = [self._codec.read(file) for file in volume.files]
            if len({x.shape for x in slices}) > 1:
                raise DataError(f"{volume.files[0].parent}: the slices of a volume are of several sizes")
            values = torch.stack(slices)
        units = self._codec.denormalize(values, np.dtype(np.float32))
        body = body_of(units.max(1), self._body)
        return np.concatenate([values.numpy(), body[:, None].astype(np.float32)], 1)


def body_of(values: NDArray[np.float32], above: float) -> NDArray[np.bool_]:
    """Where the body is in a volume (S, H, W): the largest connected part above a value, holes of slices filled."""
    parts, count = ndimage.label(values > above)  # pyright: ignore[reportGeneralTypeIssues]
    if not count:
        return np.zeros(values.shape, bool)
    largest = parts == 1 + np.bincount(parts.ravel())[1:].argmax()
    return np.stack([np.asarray(ndimage.binary_fill_holes(level)) for level in largest])


def volumes_in(folder: Path, codec: Codec) -> list[Volume]:
    """The volumes below a folder, in the order of their names. Raises DataError where there are none."""
    if not folder.is_dir():
        raise DataError(f"{folder.absolute()} is no folder; it should hold volumes")
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".") and codec.reads(p))
    if not files:
        raise DataError(f"{folder.absolute()} holds no files of the codec, which end in {', '.join(codec.extensions)}")
    if codec.stacks:
        return [Volume(_plain(file.relative_to(folder), codec), (file,)) for file in files]
    if isinstance(codec, Dicom):
        return list(_series(folder, files, neighbours=codec.slices > 1))
    return list(_folders(folder, files))


def _series(folder: Path, files: list[Path], neighbours: bool) -> Iterable[Volume]:
    """DICOM files by their series, whatever folders they lie in. Files without pixels are stepped over."""
    found: dict[str, list[tuple[Place, Path]]] = {}
    for file in files:
        try:
            place = place_of(read_head(file))
        except WithoutPixels:
            continue
        except DataError as error:
            raise DataError(f"{file}: {error}") from None
        except Exception as error:
            raise DataError(f"{file}: damaged or cut off ({error})") from error
        if place is None:
            raise DataError(f"{file}: it does not say where its slice lies: take it out of the folder")
        found.setdefault(place[0], []).append((place[1], file))
    many = {uid: file.parent for uid, slices in found.items() for _, file in slices[:1]}
    for uid, slices in sorted(found.items(), key=lambda item: item[1][0][1]):
        alone = list(many.values()).count(many[uid]) == 1
        name = many[uid].relative_to(folder).as_posix()
        yield Volume(name if alone else f"{name}/{uid}", tuple(in_order(slices, neighbours)))


def _folders(folder: Path, files: list[Path]) -> Iterable[Volume]:
    for parent in sorted({file.parent for file in files}):
        yield Volume(parent.relative_to(folder).as_posix(), tuple(file for file in files if file.parent == parent))


def _plain(place: Path, codec: Codec) -> str:
    return place.as_posix()[: -len(codec.ending(place))] if codec.ending(place) else place.as_posix()


def _partners(chosen: Mapping[str, list[Volume]]) -> dict[str, list[Volume]]:
    """Both sides in the order of a. Raises DataError for a volume without partner."""
    for volumes in chosen.values():
        for one, other in pairwise(sorted(volumes)):
            if one.name == other.name:
                raise DataError(f"{one.files[0]} and {other.files[0].name} are both {one.name}: leave one of them")
    a, b = ({volume.name: volume for volume in chosen[side]} for side in "ab")
    if alone := sorted(a.keys() ^ b.keys()):
        raise DataError(f"{(a | b)[alone[0]].files[0]}: there is no volume {alone[0]} on the other side")
    return {"a": list(a.values()), "b": [b[name] for name in a]}


def default_folder() -> Path:
    """Below the user's folder of caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gankit" / "volumes"
