"""DICOM images: read in their units and upright, written as derived images without the identity of a patient."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, CTImageStorage

from gankit import DataError
from gankit.codecs import Header
from gankit.slots import Ge
from gankit_medical.derived import GREY, decimal, derived, file_of, put_bytes, put_grey, stretch
from gankit_medical.slices import Sliced, check_enough

Values = NDArray[Any]
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
LIMITS = np.iinfo(np.int16)
GAP = 1.5
"""Times the usual distance of slices: further apart, they are no neighbours."""
logging.getLogger("pydicom").addHandler(logging.NullHandler())  # what it logs of damage is told by the error


class WithoutPixels(DataError):
    """A report, a plan, a list of files."""


class Turn(NamedTuple):
    """What brings a slice upright: first transposed, then turned over."""

    transposed: bool = False
    rows: bool = False
    columns: bool = False

    def upright(self, values: Values) -> Values:
        """(..., H, W)."""
        values = values.swapaxes(-1, -2) if self.transposed else values
        return values[..., :: -1 if self.rows else 1, :: -1 if self.columns else 1]

    def back(self, values: Values) -> Values:
        """The other way."""
        values = values[..., :: -1 if self.rows else 1, :: -1 if self.columns else 1]
        return values.swapaxes(-1, -2) if self.transposed else values


class Dicom(Sliced):
    """DICOM images of one frame <-> float32 (C, H, W), low..high <-> [-1, 1]: grey of 8 to 16 bits, or 8-bit RGB.

    Values are those after the rescale slope and intercept, or the modality LUT: HU of CT. Values without units whose
    highest is black (MONOCHROME1) are turned over, so that the lowest is black in all files. The display window of a
    file is not used, as it is another in each file: low and high say what becomes -1 and 1. units: their name. outside:
    `clip` or `error`, see `gankit.codecs.Codec`. Slices are turned as radiologists look at them, by the orientation of
    the file: axial from below, front up; coronal and sagittal head up. slices: a picture is so many neighbouring slices
    of the series, from the same folder, as its channels (2.5-D); what is written is the one in the middle.

    Written are CT images where the source is one, else secondary captures; 16 bits with the source's slope and
    intercept, where these hold the window, and 8 bits of colours, whose window lies within 0 to 255. UIDs are new, one
    series for each series and call of gankit. Of the source only the geometry is taken over, that of the same plane
    where the result has another size, and `gankit_medical.derived.KEPT` lists it; nothing that names or dates a
    patient, an institution or a study. That an image is derived stands in `ImageType` and `DerivationDescription`.
    Pixels are not searched for writing: a file that declares burned-in annotations is refused. gankit's own; the
    standard: https://dicomstandard.org.
    """

    extensions: ClassVar[frozenset[str]] = frozenset({".dcm", ".dicom", ".ima"})
    default_extension: ClassVar[str] = ".dcm"
    stacks: ClassVar[bool] = False

    def __init__(
        self,
        *,
        slices: Annotated[int, Ge(1)] = 1,
        low: float | None = None,
        high: float | None = None,
        units: str = "",
        outside: Literal["clip", "error"] = "error",
    ) -> None:
        super().__init__(slices, low, high, units, outside)

    def reads(self, path: Path) -> bool:
        """By its ending, or by the mark of the format: many of these files have no ending."""
        return super().reads(path) or is_dicom(path)

    def header(self, path: Path) -> Header:
        head = read_head(path)
        height, width = (head.Columns, head.Rows) if turn_of(head).transposed else (head.Rows, head.Columns)
        return Header(self.slices * channels_of(head), height, width, depth_of(head))

    def decode(self, path: Path) -> Values:
        found = [read_values(file) if file == path else _read_neighbour(file) for file in self._around(path)]
        if len({values.shape for values in found}) > 1:
            raise DataError("its neighbours in the series have other rows, columns or channels")
        return np.concatenate(found)

    def depth(self, like: Path | None) -> np.dtype[Any]:
        """Of values before slope and intercept, which round them."""
        return np.dtype(np.uint8 if self.low is None else np.float64)

    def encode(self, values: Values, extension: str, like: Path | None) -> bytes:
        middle = values.reshape(self.slices, -1, *values.shape[1:])[self.slices // 2]
        source = None if like is None else read_head(like)
        image = derived(source)
        if source is not None:
            if _is_negative(source):  # and was turned over when it was read
                image.PhotometricInterpretation = "MONOCHROME2"
            middle = turn_of(source).back(middle)
            stretch(image, np.divide((source.Rows, source.Columns), middle.shape[1:]))
        if len(middle) == 3 and 0 <= float(self.low or 0) < float(self.high or 0) <= 255:
            middle = np.rint(middle).astype(np.uint8)
        if middle.dtype == np.uint8 and len(middle) in (1, 3):
            put_bytes(image, middle)
        elif len(middle) == 1:
            slope, intercept = self._scale(source)
            image.RescaleSlope, image.RescaleIntercept = decimal(slope), decimal(intercept)
            low, high = float(self.low or 0), float(self.high or 0)
            slope, intercept = float(image.RescaleSlope), float(image.RescaleIntercept)
            inside = _within(low, high, slope, intercept)
            put_grey(image, np.rint((middle[0] - intercept) / slope).clip(*inside).astype("<i2"))
            image.WindowCenter, image.WindowWidth = decimal((low + high) / 2), decimal(high - low)
        else:
            raise DataError(
                f"a DICOM image has 1 channel, or 3 of a window within 0 to 255, not {len(middle)} of {self.words}"
            )
        return file_of(image)

    def _scale(self, source: Dataset | None) -> tuple[float, float]:
        """Slope and intercept: the source's, or 1 and 0, where 16 bits then hold the window in 256 levels or more."""
        low, high = float(self.low or 0), float(self.high or 0)
        known = [] if source is None else [scale_of(source)]
        for slope, intercept in (*known, (1.0, 0.0)):
            ends = sorted(((low - intercept) / slope, (high - intercept) / slope)) if slope else (0, 0)
            if LIMITS.min <= ends[0] and ends[1] <= LIMITS.max and ends[1] - ends[0] >= 255:
                return slope, intercept
        slope = (high - low) / (LIMITS.max - LIMITS.min - 1)
        return slope, low - slope * LIMITS.min

    def _around(self, path: Path) -> list[Path]:
        """The files of the slices of a picture."""
        if self.slices == 1:
            return [path]
        series = series_of(path)
        check_enough(len(series), self.slices)
        place = series.index(path.name)
        around = range(place - self.slices // 2, place + self.slices // 2 + 1)
        return [path.with_name(series[min(max(i, 0), len(series) - 1)]) for i in around]


# -- reading ---------------------------------------------------------------------------------------------------------
def is_dicom(path: Path) -> bool:
    """Whether a file has the mark of the format, "DICM" behind 128 bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_head(path: Path) -> Dataset:
    """All of a file but its pixels. Raises DataError for what is not one picture, or may show a name."""
    if path.is_file() and not is_dicom(path):
        raise DataError("it is no DICOM file, or cut off: the mark of the format, DICM, is missing")
    head = dcmread(path, stop_before_pixels=True)
    if "Rows" not in head:
        kind = head.file_meta.get("MediaStorageSOPClassUID")
        if not kind or "Image" in UID(kind).name:
            raise DataError("it is cut off, or no picture: it does not say how many rows it has")
        raise WithoutPixels(f"it is DICOM without pixels: {UID(kind).name}")
    if int(head.get("NumberOfFrames") or 1) > 1:
        raise DataError(f"it holds {head.NumberOfFrames} frames: convert it to files of one frame, or to NIfTI")
    if str(head.get("BurnedInAnnotation", "")).upper() == "YES":
        raise DataError("it declares writing in its pixels, which may name the patient: remove it first")
    if head.get("PhotometricInterpretation") not in (*GREY, *COLOURS):
        raise DataError(f"it is stored as {head.get('PhotometricInterpretation')}, not as grey values or RGB")
    bits, colours = head.get("BitsAllocated"), head.PhotometricInterpretation in COLOURS
    if colours and bits != 8:
        raise DataError(f"its colours have {bits} bits: 8 are read")
    if bits not in (8, 16):
        raise DataError(f"its values have {bits} bits: 8 and 16 are read")
    if head.get("SOPClassUID") == CTImageStorage and not _has_intercept(head):
        raise DataError("it is a CT image without RescaleIntercept, so that its values are not known in HU")
    if scale_of(head)[0] == 0:
        raise DataError("its rescale slope is 0, with which all of its pixels have one value")
    check_plane(head)
    return head


def check_plane(head: Dataset) -> None:
    """Raises DataError where what a file says of the place of its pixels cannot be."""
    wanted = {
        "PixelSpacing": (2, "distances above 0", lambda x: (x > 0).all()),
        "ImagePositionPatient": (3, "coordinates", lambda x: True),
        "ImageOrientationPatient": (6, "cosines, of two directions at a right angle", _are_directions),
    }
    for name, (count, what, fits) in wanted.items():
        try:
            if (said := head.get(name)) in (None, ""):
                continue
            values = np.atleast_1d(np.asarray(said, float))
        except (ValueError, TypeError):
            raise DataError(f"its {name} is a text, and not {count} {what}: its place in space is unknown") from None
        if len(values) != count or not np.isfinite(values).all() or not fits(values):
            found = ", ".join(f"{value:g}" for value in values)
            raise DataError(f"its {name} is {found}, and not {count} {what}: its place in space is unknown")


def _are_directions(cosines: Values) -> bool:
    pair = cosines.reshape(2, 3)
    return bool(np.allclose(pair @ pair.T, np.eye(2), atol=0.01))


def read_values(path: Path) -> Values:
    """(C, H, W), upright, in units."""
    head = read_head(path)
    file = dcmread(path)
    try:
        pixels = pixel_array(file)
    except (RuntimeError, NotImplementedError) as error:
        kind = file.file_meta.TransferSyntaxUID
        if not kind.is_compressed or get_decoder(kind).is_available:
            raise
        raise DataError(
            f"it is compressed as {kind.name}, which cannot be read here: "
            "pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg"
        ) from error
    if pixels.ndim != (2 if channels_of(head) == 1 else 3):
        raise DataError(f"its pixels are {' x '.join(map(str, pixels.shape))}, and not one picture")
    if pixels.ndim == 3:
        return turn_of(head).upright(np.moveaxis(pixels, -1, 0))
    return turn_of(head).upright(_in_units(pixels, file).astype(depth_of(head), copy=False)[None])


def _in_units(pixels: Values, file: Dataset) -> Values:
    if "ModalityLUTSequence" in file:
        return np.asarray(apply_modality_lut(pixels, file))
    if _is_negative(file):
        ends = -1 if file.get("PixelRepresentation") else 2 ** int(file.BitsStored) - 1  # the sum of both
        return ends - pixels.astype(np.int64)
    if not _rescales(file):
        return pixels
    slope, intercept = scale_of(file)  # pydicom rescales only where both are there
    return pixels * slope + intercept


def _is_negative(head: Dataset) -> bool:
    """Whether its values have no units, and the highest of them is black."""
    return head.PhotometricInterpretation == "MONOCHROME1" and not _rescales(head)


def _read_neighbour(file: Path) -> Values:
    try:
        return read_values(file)
    except Exception as error:  # a decoder may raise anything on a damaged file
        raise DataError(f"its neighbour {file.name} cannot be read: {error}") from error


def channels_of(head: Dataset) -> int:
    return 3 if head.PhotometricInterpretation in COLOURS else 1


def _has_intercept(head: Dataset) -> bool:
    return "ModalityLUTSequence" in head or head.get("RescaleIntercept") not in (None, "")


def scale_of(head: Dataset) -> tuple[float, float]:
    """Slope and intercept."""
    slope, intercept = head.get("RescaleSlope"), head.get("RescaleIntercept")
    return (1.0 if slope in (None, "") else float(slope)), (0.0 if intercept in (None, "") else float(intercept))


def depth_of(head: Dataset) -> np.dtype[Any]:
    """Of values in units: the stored ones where nothing is rescaled, else integers where slope and intercept are."""
    if not _rescales(head):
        return np.dtype(f"{'i' if head.get('PixelRepresentation') else 'u'}{max(1, head.BitsAllocated // 8)}")
    whole = "ModalityLUTSequence" not in head and all(x.is_integer() for x in scale_of(head))
    return np.dtype(np.int32 if whole and head.BitsAllocated <= 16 else np.float64)


def _rescales(head: Dataset) -> bool:
    return "ModalityLUTSequence" in head or scale_of(head) != (1, 0)


def turn_of(head: Dataset) -> Turn:
    """What brings its slice upright; nothing, where its orientation is not known."""
    cosines = head.get("ImageOrientationPatient")
    if not cosines or len(cosines) != 6:
        return Turn()
    along, down = np.array([float(x) for x in cosines]).reshape(2, 3)  # of increasing columns, of increasing rows
    across = int(np.abs(np.cross(along, down)).argmax())  # x to the patient's left, y to the back, z to the head
    (column, right), (row, below) = {2: ((0, 1), (1, 1)), 1: ((0, 1), (2, -1)), 0: ((1, 1), (2, -1))}[across]
    transposed = bool(abs(along[row]) > abs(along[column]))
    along, down = (down, along) if transposed else (along, down)
    return Turn(transposed, bool(down[row] * below < 0), bool(along[column] * right < 0))


# -- series ----------------------------------------------------------------------------------------------------------
class Place(NamedTuple):
    """Where a slice lies: along the normal of its plane, in mm."""

    at: float
    normal: tuple[float, ...]


def series_of(path: Path) -> list[str]:
    """The names of the files of its series in its folder, in the order of their places along the normal."""
    index = _index(path.parent, path.parent.stat().st_mtime_ns)
    if path.name not in index:
        raise DataError("it has no place in space by which its neighbours could be found")
    uid = index[path.name][0]
    same = ((place, path.with_name(name)) for name, (series, place) in index.items() if series == uid)
    return [file.name for file in in_order(same, neighbours=True)]


def in_order(slices: Iterable[tuple[Place, Path]], neighbours: bool) -> list[Path]:
    """The files of a series by their places. neighbours: whether pictures are made of slices beside each other.

    Raises DataError for two at one place and for planes that are not parallel, and for gaps between neighbours.
    """
    found = sorted(slices)
    steps = sorted(b.at - a.at for (a, _), (b, _) in pairwise(found))
    usual = steps[len(steps) // 2] if steps else 0.0
    for (here, file), (there, other) in pairwise(found):
        if not np.allclose(here.normal, there.normal, atol=0.01):
            raise DataError(
                f"{file} and {other.name} are of one series and lie in planes that are not parallel, as localizers do: "
                "take one of them out of the folder"
            )
        if here.at == there.at:
            raise DataError(
                f"{file} and {other.name} show one place in one series, as copies do, or several points in time: leave "
                "one of them in the folder"
            )
        if neighbours and there.at - here.at > GAP * usual:
            raise DataError(
                f"{file} and {other.name} lie {there.at - here.at:g} mm apart, and the slices of their series usually "
                f"{usual:g} mm: a slice is missing between them; with `slices: 1` none needs neighbours"
            )
    return [file for _, file in found]


@lru_cache(maxsize=64)
def _index(folder: Path, stamp: int) -> Mapping[str, tuple[str, Place]]:
    """Name -> its series and its place, of all images of a folder. stamp: when it was changed."""
    del stamp
    found: dict[str, tuple[str, Place]] = {}
    tags = ["SeriesInstanceUID", "ImageOrientationPatient", "ImagePositionPatient", "Rows"]
    for path in filter(is_dicom, sorted(folder.iterdir())):
        try:
            place = place_of(dcmread(path, specific_tags=tags, stop_before_pixels=True))
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        if place is not None:
            found[path.name] = place
    return found


def place_of(head: Dataset) -> tuple[str, Place] | None:
    """Its series and its place; None where it has none. Raises DataError where it cannot be."""
    check_plane(head)
    if not all(head.get(name) for name in ("SeriesInstanceUID", "ImageOrientationPatient", "ImagePositionPatient")):
        return None
    along, down = np.array([float(x) for x in head.ImageOrientationPatient]).reshape(2, 3)
    position = np.array([float(x) for x in head.ImagePositionPatient])
    normal = np.cross(along, down)
    return str(head.SeriesInstanceUID), Place(round(float(normal @ position), 3), tuple(normal.round(3).tolist()))


def _within(low: float, high: float, slope: float, intercept: float) -> tuple[int, int]:
    """The stored values at the ends of a window, of which rounding leaves none outside."""
    ends = sorted(round((end - intercept) / slope) for end in (low, high))
    first, last = (max(LIMITS.min, min(LIMITS.max, end)) for end in ends)
    first += not low <= first * slope + intercept <= high
    last -= not low <= last * slope + intercept <= high
    return first, last
