"""Derived DICOM images: where the source's pixels lie is taken over, and nothing that names a patient."""

from __future__ import annotations

import io
import re
import secrets
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

GREY = ("MONOCHROME1", "MONOCHROME2")
PLANE = ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient")
KEPT = (
    *PLANE,
    *("SliceThickness", "SpacingBetweenSlices", "SliceLocation", "GantryDetectorTilt", "PixelAspectRatio"),
    *("PatientPosition", "InstanceNumber", "KVP", "RescaleType", "RecognizableVisualFeatures"),
    "LossyImageCompression",
)
"""All that is taken over from a source: where its pixels lie and what they are. Numbers and codes, no free text."""
CODES = {
    "PatientPosition": frozenset(
        f"{first}{then}" for first in ("HF", "FF", "LF", "RF", "AF", "PF") for then in ("P", "S", "DR", "DL")
    ),
    "LossyImageCompression": frozenset({"00", "01"}),
    "RecognizableVisualFeatures": frozenset({"YES", "NO"}),
    "RescaleType": frozenset({"OD", "HU", "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"}),
}
"""Of those that are no numbers, what is taken over: other texts might be names."""
NUMBER = re.compile(r"\s*[+-]?\d{0,5}(\.\d*)?(e[+-]?\d+)?\s*", re.IGNORECASE)
LARGEST = 1e5
"""Numbers are shorter than dates and below them, so that none is a birthday: 19720305, 720305, 010203, 1.9720305e7."""
EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("ReferringPhysicianName", "AccessionNumber", "Manufacturer", "PositionReferenceIndicator", "PatientOrientation"),
    *("SeriesNumber", "AcquisitionNumber", "KVP", "InstanceNumber", "SliceThickness"),
)
"""What must stand in an image but may be empty."""
DERIVED = "Translated by a network of gankit. Not a measurement, not for diagnosis."
_SALT = secrets.token_hex(16)
"""Of this process: what it writes of one series is one series, which nobody can trace back by its UIDs."""


def derived(source: Dataset | None) -> Dataset:
    """A new image without pixels: of a source only the geometry, and that it was derived."""
    image = Dataset()
    for name in EMPTY:
        setattr(image, name, None if name in ("AcquisitionNumber", "InstanceNumber", "SeriesNumber") else "")
    for name in KEPT if source is not None else ():
        if (value := _kept(source, name)) not in (None, ""):
            setattr(image, name, value)
    ct = source is not None and source.get("SOPClassUID") == CTImageStorage and all(image.get(name) for name in PLANE)
    image.SOPClassUID = CTImageStorage if ct else SecondaryCaptureImageStorage
    image.SOPInstanceUID = generate_uid()
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = (
        _new_uid(source, name) for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
    )
    image.Modality = "CT" if ct else "OT"
    image.ImageType = ["DERIVED", "SECONDARY", "AXIAL"] if ct else ["DERIVED", "SECONDARY"]
    image.DerivationDescription = DERIVED
    image.SeriesDescription = "translated"
    if not ct:
        image.ConversionType = "WSD"
    if source is not None and source.PhotometricInterpretation in GREY:
        image.PhotometricInterpretation = source.PhotometricInterpretation
    return image


def _kept(source: Dataset | None, name: str) -> Any:
    """What is taken over of an element: numbers shorter than a date, and texts that are known codes."""
    value = None if source is None else source.get(name)
    if name in CODES:
        return value if str(value) in CODES[name] else None
    try:
        numbers = np.asarray(value, float)
    except (ValueError, TypeError):  # a text where a number is due
        return None
    texts = [str(one) for one in np.atleast_1d(np.asarray(value, object))]
    return value if (np.abs(numbers) < LARGEST).all() and all(map(NUMBER.fullmatch, texts)) else None


def stretch(image: Dataset, scale: NDArray[Any]) -> None:
    """The same plane in other pixels. scale: rows and columns of the source for each of the image, (2,)."""
    if (scale == 1).all() or "PixelSpacing" not in image:
        return
    spacing = np.array([float(x) for x in image.PixelSpacing])
    if image.get("ImageOrientationPatient") and image.get("ImagePositionPatient"):
        along, down = np.array([float(x) for x in image.ImageOrientationPatient]).reshape(2, 3)
        first = np.array([float(x) for x in image.ImagePositionPatient])  # the middle of the first pixel
        rows, columns = (scale - 1) / 2 * spacing
        image.ImagePositionPatient = [decimal(x) for x in first + rows * down + columns * along]
    image.PixelSpacing = [decimal(x) for x in spacing * scale]


def _new_uid(source: Dataset | None, name: str) -> str:
    """One for each of the source's, within this process."""
    known = None if source is None else source.get(name)
    return generate_uid(entropy_srcs=[_SALT, name, str(known)]) if known else generate_uid()


def put_grey(image: Dataset, stored: NDArray[np.int16]) -> None:
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = image.get("PhotometricInterpretation", "MONOCHROME2")
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.Rows, image.Columns = stored.shape
    image.PixelData = np.ascontiguousarray(stored).tobytes()


def put_bytes(image: Dataset, values: NDArray[np.uint8]) -> None:
    image.SamplesPerPixel = len(values)
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    image.Rows, image.Columns = values.shape[1:]
    if len(values) == 3:
        image.PhotometricInterpretation, image.PlanarConfiguration = "RGB", 0
    else:
        image.PhotometricInterpretation = image.get("PhotometricInterpretation", "MONOCHROME2")
    data = np.ascontiguousarray(np.moveaxis(values, 0, -1)).tobytes()
    image.PixelData = data + b"\0" * (len(data) % 2)
    if image.SOPClassUID == CTImageStorage:  # which has 16 bits
        image.SOPClassUID, image.Modality, image.ConversionType = SecondaryCaptureImageStorage, "OT", "WSD"
        image.ImageType = ["DERIVED", "SECONDARY"]


def file_of(image: Dataset) -> bytes:
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = io.BytesIO()
    image.save_as(file, enforce_file_format=True)
    return file.getvalue()


def decimal(value: float) -> str:
    """A decimal string of DICOM: at most 16 characters."""
    return next(text for digits in range(16, 0, -1) if len(text := f"{value:.{digits}g}") <= 16)
