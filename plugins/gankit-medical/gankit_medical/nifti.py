"""NIfTI volumes as stacks of slices."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import nibabel as nib
import numpy as np
import torch
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray
from torch import Tensor

from gankit import DataError
from gankit.codecs import Header
from gankit.slots import Ge
from gankit_medical.slices import Sliced, check_enough, joined, neighbours

Axis = Literal["axial", "coronal", "sagittal"]
Values = NDArray[Any]
SHOWN: dict[Axis, tuple[str, str, str]] = {
    "axial": ("S", "P", "L"),
    "coronal": ("P", "I", "L"),
    "sagittal": ("L", "I", "P"),
}
"""Of each axis the directions in which slices, rows and columns are counted, as radiologists look at them."""
MOST = 2**30
"""Values of a volume that are read: a volume of 1024 slices of 1024 x 1024."""
DEPTHS = frozenset({"uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"})


class Nifti(Sliced):
    """NIfTI-1 and NIfTI-2, .nii and .nii.gz <-> float32 (C, H, W), low..high <-> [-1, 1]: a stack of slices.

    axis: of the body, along which the volume is cut, whatever the order in which the file keeps it: the affine tells.
    Slices are shown as radiologists look at them: axial from below, front up; coronal from the front, head up; sagittal
    from the left, head up. A volume that lies at an angle is cut along its nearest axes and is not resampled. A fourth
    axis, as of several contrasts, gives the channels. slices: a picture is so many neighbouring slices, which are its
    channels (2.5-D); in the volume that is written each slice is the mean of all pictures that show it.
    low, high: the window, in the units of the volume after its slope and offset. units: their name, such as `HU`.
    outside: `clip` or `error`, see `gankit.codecs.Codec`.

    What is written has the affine, the codes of its space and the voxel sizes of the source, and the order of its axes;
    integers of the source's depth where these hold the window, else float32. Texts and extensions of the source's
    header, in which there may be names, are not taken over. gankit's own; docs: https://nifti.nimh.nih.gov.
    """

    extensions: ClassVar[frozenset[str]] = frozenset({".nii", ".nii.gz"})
    default_extension: ClassVar[str] = ".nii.gz"

    def __init__(
        self,
        *,
        axis: Axis = "axial",
        slices: Annotated[int, Ge(1)] = 1,
        low: float | None = None,
        high: float | None = None,
        units: str = "",
        outside: Literal["clip", "error"] = "error",
    ) -> None:
        super().__init__(slices, low, high, units, outside)
        self.axis: Axis = axis

    def header(self, path: Path) -> Header:
        """Of one picture of it."""
        image = _opened(path)
        _, channels, height, width = self._shape(image)
        return Header(self.slices * channels, height, width, _depth(image))

    def decode(self, path: Path) -> Values:
        values = self.decode_stack(path)
        if len(values) != 1:
            raise DataError(
                f"it is a volume of {len(values)} slices and not one picture: `read_stack` reads it, and the data set "
                "gankit-medical/volumes trains with it"
            )
        return values[0]

    def decode_stack(self, path: Path) -> Values:
        volume = torch.from_numpy(self.volume(path))
        check_enough(len(volume), self.slices)
        return neighbours(volume, self.slices).numpy()

    def encode(self, values: Values, extension: str, like: Path | None) -> bytes:
        middle = values.reshape(self.slices, -1, *values.shape[1:])[self.slices // 2]
        return self.encode_stack(middle[None], extension, like)

    def write_stack(self, pictures: Tensor, path: str | Path, like: str | Path | None = None) -> None:
        """A volume of (S, slices * C, H, W) in [-1, 1], the pictures of all slices."""
        super().write_stack(joined(pictures, self.slices), path, like)

    def volume(self, path: Path) -> Values:
        """All slices, (S, C, H, W), in the units of the file."""
        image = _opened(path)
        self._shape(image)
        _check_sum(path)
        values = np.asanyarray(image.dataobj)  # pyright: ignore[reportAttributeAccessIssue]
        values = values.astype(_depth(image), copy=False)
        values = values[..., None] if values.ndim == 2 else values
        turned = apply_orientation(values, self._turn(image))
        return np.ascontiguousarray(np.moveaxis(turned.reshape(*turned.shape[:3], -1), 3, 1))

    def _shape(self, image: Any) -> tuple[int, int, int, int]:
        """(S, C, H, W) of a file. Raises DataError for one that holds something else."""
        shape, depth = image.shape, image.get_data_dtype()
        if depth.name not in DEPTHS:
            raise DataError(f"its values are {depth}: none of {', '.join(sorted(DEPTHS))}")
        if not 2 <= len(shape) <= 4:
            raise DataError(f"it has {len(shape)} axes: a volume has three, and one more for channels")
        if not 0 < math.prod(shape) <= MOST:
            raise DataError(f"a volume of {' x '.join(map(str, shape))} values is empty or too large to read")
        size = (*shape, 1, 1)[:3]
        order = np.argsort(self._turn(image)[:, 0])
        slices, height, width = (size[axis] for axis in order)
        return slices, (*shape, 1, 1)[3] if len(shape) == 4 else 1, height, width

    def _turn(self, image: Any) -> Values:
        """From the axes of a file to slices, rows, columns."""
        return ornt_transform(_axes(image), axcodes2ornt(SHOWN[self.axis]))

    def encode_stack(self, values: Values, extension: str, like: Path | None) -> bytes:
        """A file of the volume (S, C, H, W)."""
        volume = np.moveaxis(values, 1, 3)
        volume = volume[..., 0] if volume.shape[3] == 1 else volume
        source: Any = None if like is None else _opened(like)
        if source is not None and len(values) != (slices := self._shape(source)[0]):
            raise DataError(f"{like}: {len(values)} slices do not lie where its {slices} do")
        shown = axcodes2ornt(SHOWN[self.axis])
        own = axcodes2ornt(("R", "A", "S")) if source is None else _axes(source)
        volume = apply_orientation(volume, ornt_transform(shown, own))
        grid = np.eye(4) if source is None else _grid((*source.shape, 1)[:3], volume.shape[:3])
        affine = grid if source is None else source.affine @ grid
        kind = nib.Nifti2Image if isinstance(source, nib.Nifti2Image) else nib.Nifti1Image
        if source is not None and len(source.shape) == 2 and volume.ndim == 3:
            volume = volume[..., 0]
        image: Any = kind(np.ascontiguousarray(volume), affine, dtype=values.dtype)
        if source is not None:
            _keep_space(source.header, image.header, grid)
        image.header["descrip"] = b"derived by gankit: a network's output, no measurement"
        data = image.to_bytes()
        return gzip.compress(data, compresslevel=5, mtime=0) if extension.endswith(".gz") else data


def _opened(path: Path) -> Any:
    """A file without its values."""
    try:
        image = nib.load(path)  # pyright: ignore[reportPrivateImportUsage]
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    if not isinstance(image, nib.Nifti1Pair):
        raise DataError(f"it is a {type(image).__name__} of nibabel, and no volume: convert it to NIfTI")
    return image


def _check_sum(path: Path) -> None:
    """Read a compressed file to its end, where its checksum is: nibabel stops at the last value. Raises OSError."""
    if path.name.lower().endswith(".gz"):
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass


def _depth(image: Any) -> np.dtype[Any]:
    """Of the values after slope and offset: the file's, where these change nothing."""
    slope, offset = image.dataobj.slope, image.dataobj.inter
    kept = image.get_data_dtype().newbyteorder("=")
    return kept if (slope, offset) == (1, 0) or kept.kind == "f" else np.dtype(np.float32)


def _axes(image: Any) -> Values:
    """Along which axis of the body each axis of a file runs, and which way. Raises DataError where none can be told."""
    axes = io_orientation(image.affine) if np.isfinite(image.affine).all() else np.full((3, 2), np.nan)
    if np.isnan(axes).any():
        raise DataError("its affine is no map of space, so that nothing says how its axes lie: mend its sform or qform")
    return axes


def _grid(old: tuple[int, ...], new: tuple[int, ...]) -> Values:
    """From the voxels of a volume to those of the one of which it was made, which fill the same space: (4, 4)."""
    scale = np.divide(old, new)
    grid = np.diag([*scale, 1.0])
    grid[:3, 3] = (scale - 1) / 2  # places are those of the middles of voxels
    return grid


def _keep_space(old: Any, new: Any, grid: Values) -> None:
    """What says where the voxels lie: sizes, units, both transforms with their codes. grid: from new to old voxels."""
    sizes = np.array((*old.get_zooms(), 1)[:3]) * grid.diagonal()[:3]
    sizes = (*sizes, *old.get_zooms()[3:], *new.get_zooms()[3:])
    new.set_zooms(sizes[: len(new.get_zooms())])
    new["xyzt_units"] = old["xyzt_units"]  # as they stand there, which need not be known ones
    form, code = old.get_sform(coded=True)
    new.set_sform(None if form is None else form @ grid, code)
    try:
        form, code = old.get_qform(coded=True)
        new.set_qform(None if form is None else form @ grid, code)
    except (ValueError, HeaderDataError):  # it is no rotation; the sform says where voxels lie
        new.set_qform(None, 0)
