"""Drawn patients and cells as files, to try data sets of files without anybody's pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
import tifffile
from numpy.typing import NDArray
from pydicom.uid import CTImageStorage, generate_uid

from gankit_medical.cells import draw_cells
from gankit_medical.derived import derived, file_of, put_grey
from gankit_medical.drawing import draw_body

SPACING, THICKNESS = 350 / 64, 5.0
"""Millimetres between pixels of 64, and between slices."""


def write_patients(
    out: Path, kind: Literal["nifti", "dicom"], patients: int, size: int, depth: int, seed: int, noise: float
) -> int:
    """`out/A`, without contrast medium, and `out/B`, with it, of other patients; the number of files."""
    files = 0
    for side, state in (("A", 0), ("B", 1)):
        for number in range(patients):
            body = draw_body(np.random.default_rng((seed, state, number)), size, depth, noise)
            scan = body.contrast if state else body.plain
            name = f"{side.lower()}{number:03d}"
            if kind == "nifti":
                (out / side).mkdir(parents=True, exist_ok=True)
                write_nifti(out / side / f"{name}.nii.gz", scan, 64 / size)
                files += 1
            else:
                files += write_series(out / side / name, scan, 64 / size)
    return files


def write_nifti(path: Path, volume: NDArray[np.int16], scale: float = 1) -> None:
    """A volume (S, H, W), slices from the feet up, rows from the front, columns from the patient's right."""
    spacing = SPACING * scale
    affine = np.diag([-spacing, -spacing, THICKNESS, 1.0])
    affine[:3, 3] = [100.0, 120.0, -40.0]
    image = nib.Nifti1Image(volume.transpose(2, 1, 0), affine)  # pyright: ignore[reportPrivateImportUsage]
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(path)


def write_series(folder: Path, volume: NDArray[np.int16], scale: float = 1) -> int:
    """A series of CT images of the same volume; how many."""
    folder.mkdir(parents=True, exist_ok=True)
    study, series, frame = (generate_uid() for _ in range(3))
    for number, values in enumerate(volume):
        image = derived(None)
        image.SOPClassUID, image.Modality, image.ImageType = CTImageStorage, "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, series, frame
        image.DerivationDescription, image.SeriesDescription = "Drawn by gankit, no patient", "drawn"
        del image.ConversionType
        image.PixelSpacing, image.SliceThickness = [f"{SPACING * scale:.9g}"] * 2, f"{THICKNESS:g}"
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.ImagePositionPatient = [-100, -120, -40 + THICKNESS * number]
        image.InstanceNumber, image.RescaleSlope, image.RescaleIntercept = number + 1, 1, -1024
        put_grey(image, (values + 1024).astype("<i2"))
        (folder / f"{number:03d}.dcm").write_bytes(file_of(image))
    return len(volume)


def write_cells(out: Path, train: int, test: int, size: int, seed: int) -> int:
    """`out/A`, transmitted light in two channels, and `out/B`, three stains, 12 bits in 16-bit TIFF; how many files."""
    for split, count in (("train", train), ("test", test)):
        for number in range(count):
            pair = draw_cells(np.random.default_rng((seed, split == "test", number)), size)
            for side, planes in zip("AB", pair, strict=True):
                folder = out / side / split
                folder.mkdir(parents=True, exist_ok=True)
                pixels = np.moveaxis(planes, 0, -1)
                tifffile.imwrite(
                    folder / f"{number:04d}.tif", pixels, photometric="minisblack", planarconfig="contig", metadata=None
                )
    return 2 * (train + test)
