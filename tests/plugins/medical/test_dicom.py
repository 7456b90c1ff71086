"""DICOM images: units, orientation, neighbours; derived images without a patient's identity; pydicom's own files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gankit.core.errors import DataError
from gankit.inference.translate import translate_paths
from tests.evaluation.fakes import Brighten

WINDOW: dict[str, Any] = {"low": -1000, "high": 1000, "units": "HU", "outside": "clip"}
PLANE = ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient")
READABLE = (
    *("CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "SC_rgb.dcm", "SC_rgb_rle.dcm"),
    *(
        "ExplVR_BigEnd.dcm",
        "693_J2KI.dcm",
        "JPEG2000.dcm",
        "SC_rgb_small_odd.dcm",
        "image_dfl.dcm",
        "eCT_Supplemental.dcm",
    ),
)
NAMES = {"PN", "LO", "SH", "ST", "LT", "UT", "DA", "DT", "TM", "AS", "UI"}
"""Kinds of elements that may tell who, where and when."""


def folder() -> Path:
    import pydicom

    return Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """A drawn series of five slices, with a patient's name in many places."""
    from gankit_medical.drawing import draw_body
    from gankit_medical.drawn_files import write_series
    from pydicom import dcmread

    home = tmp_path / "series"
    write_series(home, draw_body(np.random.default_rng(0), 32, 5, 8).contrast)
    for file in home.iterdir():
        image = dcmread(file)
        image.PatientName, image.PatientID, image.PatientBirthDate = "Doe^Jane", "P-4711-X", "19610203"
        image.InstitutionName, image.StudyDate, image.ImageComments = "Saint Anna", "20200304", "Doe, room 7"
        image.private_block(0x0099, "Doe", create=True).add_new(1, "LO", "Doe again")
        image.save_as(file)
    return home


def test_units_by_slope_and_intercept(series: Path) -> None:
    from gankit_medical.dicom import Dicom
    from gankit_medical.drawing import draw_body

    drawn = draw_body(np.random.default_rng(0), 32, 5, 8).contrast
    codec = Dicom(low=-1024, high=3071)
    for number, file in enumerate(sorted(series.iterdir())):
        assert codec.shape(file) == (1, 32, 32)
        assert np.array_equal(codec.denormalize(codec.read(file), np.dtype(np.int16))[0], drawn[number])


@pytest.mark.parametrize(
    "cosines",
    [
        *((1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, -1, 0), (0, 1, 0, 1, 0, 0), (1, 0, 0, 0, 0, -1), (1, 0, 0, 0, 0, 1)),
        *((0, 1, 0, 0, 0, -1), (0, -1, 0, 0, 0, -1), (0, 0, 1, 0, 1, 0), (0.96, 0.28, 0, -0.28, 0.96, 0)),
    ],
)
def test_slices_are_shown_upright_and_written_back_as_they_lay(cosines: Any, series: Path, tmp_path: Path) -> None:
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread

    image = dcmread(series / "002.dcm")
    rows, columns = np.mgrid[:32, :20]
    along, down = np.array(cosines, float).reshape(2, 3)
    spots = columns[..., None] * along + rows[..., None] * down  # x to the left, y to the back, z to the head
    image.ImageOrientationPatient = list(cosines)
    across = int(np.abs(np.cross(along, down)).argmax())
    image.Rows, image.Columns = 32, 20
    codec, shown = Dicom(**WINDOW), []
    for axis in range(3):
        image.PixelData = np.rint(spots[..., axis] * 10 + 1024).astype("<i2").tobytes()
        image.save_as(tmp_path / "x.dcm")
        shown.append(codec.read(tmp_path / "x.dcm")[0])
    right, below = {2: (0, 1), 1: (0, 2), 0: (1, 2)}[across]
    assert bool((shown[right].diff(dim=1) > 0).all())
    assert bool((shown[below].diff(dim=0) * (1 if below == 1 else -1) > 0).all())
    picture = codec.read(tmp_path / "x.dcm")
    codec.write(picture, tmp_path / "y.dcm", like=tmp_path / "x.dcm")
    ours = dcmread(tmp_path / "y.dcm")
    assert np.array_equal(ours.pixel_array, dcmread(tmp_path / "x.dcm").pixel_array)
    assert ours.ImageOrientationPatient == image.ImageOrientationPatient


def test_nothing_of_a_patient_is_taken_over(series: Path, tmp_path: Path) -> None:
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread

    codec = Dicom(**WINDOW)
    outcome = translate_paths(
        Brighten(10), [series], tmp_path / "out", codecs={"a": codec, "b": codec}, channels={"a": 1, "b": 1}
    )
    assert len(outcome.written) == 5 and not outcome.failed
    made = [dcmread(path) for path in outcome.written]
    for before, after, path in zip(sorted(series.iterdir()), made, outcome.written, strict=True):
        source = dcmread(before)
        for word in (b"Doe", b"P-4711-X", b"19610203", b"Anna", b"20200304", str(source.StudyInstanceUID).encode()):
            assert word not in path.read_bytes()
        ours = {str(e.value) for e in after.iterall() if e.VR in NAMES and e.value}
        theirs = {str(e.value) for e in source.iterall() if e.VR in NAMES and e.value}
        assert ours & theirs <= {str(source.SOPClassUID)}
        for name in (*PLANE, "SliceThickness", "InstanceNumber", "Rows", "Columns"):
            assert after[name].value == source[name].value
    assert len({x.SOPInstanceUID for x in made}) == 5
    for name in ("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert len({x[name].value for x in made}) == 1
    assert made[0].ImageType[:2] == ["DERIVED", "SECONDARY"] and "network" in made[0].DerivationDescription
    assert (made[0].WindowCenter, made[0].WindowWidth) == (0, 2000)


def test_a_ct_image_has_what_its_standard_asks_for(series: Path, tmp_path: Path) -> None:
    """Types 1 and 2 of the modules of a CT image (PS3.3, A.3), by hand."""
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread

    Dicom(**WINDOW).write(torch.zeros(1, 32, 32), tmp_path / "y.dcm", like=series / "001.dcm")
    image = dcmread(tmp_path / "y.dcm")
    assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID
    filled = "SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID FrameOfReferenceUID Modality ImageType"
    filled += " PixelSpacing ImageOrientationPatient ImagePositionPatient SamplesPerPixel PhotometricInterpretation"
    filled += (
        " Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation PixelData RescaleIntercept RescaleSlope"
    )
    assert [name for name in filled.split() if image.get(name) in (None, "")] == []
    there = "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime ReferringPhysicianName StudyID"
    there += " AccessionNumber SeriesNumber PositionReferenceIndicator Manufacturer InstanceNumber SliceThickness KVP"
    assert [name for name in (there + " AcquisitionNumber").split() if name not in image] == []
    assert image.Modality == "CT" and image.SOPClassUID.name == "CT Image Storage"
    assert int(image.BitsAllocated) == 16 and int(image.HighBit) == int(image.BitsStored) - 1


def test_without_a_source_it_is_a_secondary_capture(tmp_path: Path) -> None:
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread

    Dicom(low=0, high=1).write(torch.linspace(-1, 1, 20).view(1, 4, 5), tmp_path / "y.dcm")
    image = dcmread(tmp_path / "y.dcm")
    assert image.SOPClassUID.name == "Secondary Capture Image Storage" and image.ConversionType == "WSD"
    found = Dicom(low=0, high=1).read(tmp_path / "y.dcm")  # a slope for a window of less than 256 whole numbers
    torch.testing.assert_close(found.flatten(), torch.linspace(-1, 1, 20), atol=1e-4, rtol=0)


def test_neighbours_come_from_the_series_in_its_order_in_space(series: Path) -> None:
    from gankit_medical.dicom import Dicom

    (series / "002.dcm").rename(series / "zzz.dcm")  # the names say nothing
    one, three = Dicom(**WINDOW), Dicom(slices=3, **WINDOW)
    names = ["000.dcm", "001.dcm", "zzz.dcm", "003.dcm", "004.dcm"]
    slices = [one.read(series / name)[0] for name in names]
    for number, around in {0: (0, 0, 1), 2: (1, 2, 3), 4: (3, 4, 4)}.items():
        picture = three.read(series / names[number], 3)
        assert all(torch.equal(picture[k], slices[i]) for k, i in enumerate(around))
    three.write(three.read(series / "zzz.dcm"), series / "made.dcm", like=series / "zzz.dcm")
    assert torch.equal(one.read(series / "made.dcm")[0], slices[2])


def test_files_without_an_ending_are_known_by_their_mark(series: Path, tmp_path: Path) -> None:
    from gankit_medical.dicom import Dicom

    (series / "000.dcm").rename(series / "IM0001")
    assert Dicom().reads(series / "IM0001") and not Dicom().reads(Path(__file__)) and not Dicom().reads(series)
    codec = Dicom(**WINDOW)
    codec.write(codec.read(series / "IM0001"), tmp_path / "y.dcm", like=series / "IM0001")
    assert torch.equal(codec.read(tmp_path / "y.dcm"), codec.read(series / "IM0001"))


def test_what_is_refused(series: Path, tmp_path: Path) -> None:
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread

    changes: dict[str, tuple[str, Any]] = {
        "it declares writing in its pixels": ("BurnedInAnnotation", "YES"),
        "it holds 3 frames": ("NumberOfFrames", 3),
        "it is stored as PALETTE COLOR": ("PhotometricInterpretation", "PALETTE COLOR"),
    }
    for words, (name, value) in changes.items():
        image = dcmread(series / "000.dcm")
        setattr(image, name, value)
        image.save_as(tmp_path / "x.dcm")
        for use in (Dicom(**WINDOW).read, Dicom(**WINDOW).shape):
            with pytest.raises(DataError, match=words) as raised:
                use(tmp_path / "x.dcm")
            assert "x.dcm" in str(raised.value)
    with pytest.raises(DataError, match="without pixels: RT Plan Storage"):
        Dicom(**WINDOW).read(folder() / "rtplan.dcm")
    for channels in (2, 3):
        with pytest.raises(DataError, match="1 channel, or 3 of a window within 0 to 255"):
            Dicom(**WINDOW).write(torch.zeros(channels, 4, 4), tmp_path / "y.dcm")
    assert not (tmp_path / "y.dcm").exists()
    with pytest.raises(DataError, match=r"name them, as in `codec: \{type: gankit-medical/dicom, low:"):
        Dicom().read(series / "000.dcm")


@pytest.mark.parametrize(
    "length, words",
    [
        (0, "no DICOM file, or cut off"),
        (131, "no DICOM file, or cut off"),
        (300, "it is cut off"),
        (-9, "damaged or cut"),
    ],
)
def test_a_file_that_is_cut_off_says_so(length: int, words: str, series: Path) -> None:
    from gankit_medical.dicom import Dicom
    from gankit_medical.volumes import volumes_in

    file = series / "002.dcm"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(DataError, match=words) as raised:
        Dicom(**WINDOW).read(file)
    assert str(file) in str(raised.value) and "force" not in str(raised.value)
    if length > 0:  # a volume does not go on without its slice
        with pytest.raises(DataError, match=words):
            volumes_in(series, Dicom(**WINDOW))


def test_pixels_that_are_no_integers_of_8_or_16_bits_are_refused(series: Path) -> None:
    """Float pixels would be cut to integers, and single bits taken for grey levels."""
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread

    image = dcmread(series / "000.dcm")
    image.BitsAllocated, image.FloatPixelData = 32, np.full((32, 32), -0.5, "<f4").tobytes()
    for name in ("BitsStored", "HighBit", "PixelRepresentation", "PixelData"):
        delattr(image, name)
    image.save_as(series / "float.dcm")
    image = dcmread(series / "001.dcm")
    image.BitsAllocated = image.BitsStored = 1
    image.HighBit, image.PixelData = 0, bytes(128)
    image.save_as(series / "bits.dcm")
    for name, bits in (("float", 32), ("bits", 1)):
        with pytest.raises(DataError, match=f"{bits} bits: 8 and 16 are read"):
            Dicom(**WINDOW).read(series / f"{name}.dcm")


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_texts_and_dates_in_place_of_numbers_and_codes_are_not_taken_over(series: Path, tmp_path: Path) -> None:
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread

    image = dcmread(series / "000.dcm")
    image.RescaleType, image.PatientPosition, image.SliceLocation = "Doe Jane", "DOE JANE", "12345678"
    image.save_as(tmp_path / "x.dcm")
    (tmp_path / "x.dcm").write_bytes((tmp_path / "x.dcm").read_bytes().replace(b"12345678", b"Doe^Jane"))
    codec = Dicom(**WINDOW)
    codec.write(codec.read(tmp_path / "x.dcm"), tmp_path / "y.dcm", like=tmp_path / "x.dcm")
    assert b"doe" not in (tmp_path / "y.dcm").read_bytes().lower()
    image.RescaleType, image.PatientPosition, image.SliceLocation = "HU", "HFS", "12.5"
    image.save_as(tmp_path / "x.dcm")
    codec.write(codec.read(tmp_path / "x.dcm"), tmp_path / "y.dcm", like=tmp_path / "x.dcm")
    ours = dcmread(tmp_path / "y.dcm")
    assert (ours.RescaleType, ours.PatientPosition, ours.SliceLocation) == ("HU", "HFS", 12.5)
    for date in (19610203, 610203, "010203"):
        image.InstanceNumber, image.KVP = date, "120"
        image.save_as(tmp_path / "x.dcm")
        codec.write(codec.read(tmp_path / "x.dcm"), tmp_path / "y.dcm", like=tmp_path / "x.dcm")
        assert (dcmread(tmp_path / "y.dcm").InstanceNumber, dcmread(tmp_path / "y.dcm").KVP) == (None, 120)
        image.InstanceNumber, image.KVP = 7, str(date)
        image.save_as(tmp_path / "x.dcm")
        codec.write(codec.read(tmp_path / "x.dcm"), tmp_path / "y.dcm", like=tmp_path / "x.dcm")
        assert (dcmread(tmp_path / "y.dcm").InstanceNumber, dcmread(tmp_path / "y.dcm").KVP) == (7, None)
    (tmp_path / "x.dcm").write_bytes((tmp_path / "x.dcm").read_bytes().replace(b"010203", b"1.97e7"))
    assert b"1.97e7" in (tmp_path / "x.dcm").read_bytes()
    codec.write(codec.read(tmp_path / "x.dcm"), tmp_path / "y.dcm", like=tmp_path / "x.dcm")
    assert dcmread(tmp_path / "y.dcm").KVP is None


def test_a_source_may_lack_its_class(series: Path, tmp_path: Path) -> None:
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread

    image = dcmread(series / "000.dcm")
    del image.SOPClassUID
    image.save_as(tmp_path / "x.dcm")
    codec = Dicom(**WINDOW)
    codec.write(codec.read(tmp_path / "x.dcm"), tmp_path / "y.dcm", like=tmp_path / "x.dcm")
    assert dcmread(tmp_path / "y.dcm").Modality == "OT"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PixelSpacing", [1], r"its PixelSpacing is 1, and not 2 distances above 0"),
        ("PixelSpacing", [0, 0], r"its PixelSpacing is 0, 0, and not"),
        ("ImagePositionPatient", [1, 2], r"its ImagePositionPatient is 1, 2, and not 3 coordinates"),
        ("ImageOrientationPatient", [1, 0, 0, 0, 1], r"and not 6 cosines"),
        ("ImageOrientationPatient", [0] * 6, r"of two directions at a right angle"),
        ("RescaleSlope", 0, r"its rescale slope is 0"),
    ],
)
def test_impossible_places_and_scales_are_refused(
    name: str, value: Any, said: str, series: Path, tmp_path: Path
) -> None:
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread

    file = dcmread(series / "002.dcm")
    setattr(file, name, value)
    file.save_as(tmp_path / "x.dcm")
    with pytest.raises(DataError, match=said):
        Dicom(**WINDOW).read(tmp_path / "x.dcm")
    if name != "RescaleSlope":
        with pytest.raises(DataError, match=said):
            Dicom(**WINDOW, slices=3).read(tmp_path / "x.dcm")


def test_a_place_that_is_a_text_is_refused(series: Path, tmp_path: Path) -> None:
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread

    file = dcmread(series / "002.dcm")
    file.PixelSpacing = [1.25, 1.25]
    file.save_as(tmp_path / "x.dcm")
    content = (tmp_path / "x.dcm").read_bytes()
    assert content.count(b"1.25\\1.25") == 1
    (tmp_path / "x.dcm").write_bytes(content.replace(b"1.25\\1.25", b"near\\away"))
    with pytest.raises(DataError, match="its PixelSpacing is a text, and not 2 distances above 0"):
        Dicom(**WINDOW).read(tmp_path / "x.dcm")


def test_that_a_face_may_be_seen_is_said_of_the_result_too(series: Path, tmp_path: Path) -> None:
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread

    file = dcmread(series / "002.dcm")
    file.RecognizableVisualFeatures = "YES"
    file.save_as(tmp_path / "x.dcm")
    codec = Dicom(**WINDOW)
    codec.write(codec.read(tmp_path / "x.dcm"), tmp_path / "y.dcm", like=tmp_path / "x.dcm")
    assert dcmread(tmp_path / "y.dcm").RecognizableVisualFeatures == "YES"


def test_a_result_of_another_size_fills_the_same_plane(series: Path, tmp_path: Path) -> None:
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread

    source = dcmread(series / "002.dcm")
    source.ImageOrientationPatient, source.PixelSpacing = [0, 1, 0, 0, 0, -1], [2, 3]
    source.save_as(tmp_path / "x.dcm")
    codec = Dicom(**WINDOW)
    codec.write(torch.zeros(1, 64, 16), tmp_path / "y.dcm", like=tmp_path / "x.dcm")
    ours = dcmread(tmp_path / "y.dcm")
    assert (ours.Rows, ours.Columns, ours.PixelSpacing) == (64, 16, [1, 6])
    x, y, z = map(float, source.ImagePositionPatient)
    assert ours.ImagePositionPatient == [x, y + 1.5, z + 0.5]  # half a column more, a quarter of a row less


def test_colours_of_a_window_are_written_as_bytes(series: Path, tmp_path: Path) -> None:
    from gankit_medical.dicom import Dicom

    codec = Dicom(low=0, high=255)
    Dicom().write(torch.linspace(-1, 1, 256).view(1, 16, 16).expand(3, 16, 16), tmp_path / "x.dcm")
    codec.write(codec.read(tmp_path / "x.dcm"), tmp_path / "y.dcm", like=tmp_path / "x.dcm")
    assert torch.equal(Dicom().read(tmp_path / "y.dcm"), Dicom().read(tmp_path / "x.dcm"))


def test_two_slices_at_one_place_have_no_neighbours(series: Path) -> None:
    from gankit_medical.dicom import Dicom
    from gankit_medical.volumes import volumes_in

    (series / "copy.dcm").write_bytes((series / "002.dcm").read_bytes())
    for use in (
        lambda: Dicom(slices=3, **WINDOW).read(series / "001.dcm"),
        lambda: volumes_in(series, Dicom(**WINDOW)),
    ):
        with pytest.raises(DataError, match=r"002.dcm and copy.dcm show one place in one series"):
            use()


@pytest.mark.parametrize("name", READABLE)
def test_files_of_pydicom_are_read_translated_and_written_with_their_geometry(name: str, tmp_path: Path) -> None:
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread
    from pydicom.pixels import apply_modality_lut

    if not (folder() / name).exists():
        pytest.skip(f"this pydicom does not bring {name}")
    source = dcmread(folder() / name)
    colours = source.SamplesPerPixel == 3
    codec = Dicom() if colours else Dicom(low=-4000, high=70000)
    method = Brighten(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values in these files that break the standard
        outcome = translate_paths(
            method,
            [folder() / name],
            tmp_path / "out",
            codecs={"a": codec, "b": codec},
            channels=dict.fromkeys("ab", 3 if colours else 1),
        )
        if outcome.failed and "pip install pylibjpeg" in outcome.failed[0]:
            pytest.skip("its compression needs a decoder that is not installed")
        assert not outcome.failed
        result = dcmread(outcome.written[0])
        for tag in (*PLANE, "SliceThickness", "Rows", "Columns", "SamplesPerPixel"):
            assert result.get(tag) == source.get(tag)
        assert result.SOPInstanceUID != source.SOPInstanceUID and not result.PatientName and not result.PatientID
        if not colours:
            units = apply_modality_lut(source.pixel_array, source)
            np.testing.assert_allclose(apply_modality_lut(result.pixel_array, result), units, atol=74000 / 65534)
        assert torch.equal(codec.read(outcome.written[0]), codec.read(folder() / name)) or not colours


def test_one_of_slope_and_intercept_is_enough_to_rescale(series: Path, tmp_path: Path) -> None:
    from gankit_medical.dicom import read_values
    from pydicom import dcmread

    wanted = read_values(series / "002.dcm")
    image = dcmread(series / "002.dcm")
    assert (image.RescaleSlope, image.RescaleIntercept) == (1, -1024)
    del image.RescaleSlope
    image.save_as(tmp_path / "x.dcm")
    assert np.array_equal(read_values(tmp_path / "x.dcm"), wanted)
    image.RescaleIntercept = None
    image.save_as(tmp_path / "x.dcm")
    with pytest.raises(DataError, match="a CT image without RescaleIntercept"):
        read_values(tmp_path / "x.dcm")


def test_the_lowest_is_black_whichever_way_it_is_stored(tmp_path: Path) -> None:
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread

    image = dcmread(folder() / "MR_small.dcm")
    image.save_as(tmp_path / "seen.dcm")
    image.PhotometricInterpretation = "MONOCHROME1"
    ends = -1 if image.PixelRepresentation else 2**16 - 1
    turned = ends - image.pixel_array.astype(np.int64)
    image.BitsStored, image.HighBit = 16, 15
    image.PixelData = turned.astype(image.pixel_array.dtype).tobytes()
    image.save_as(tmp_path / "turned.dcm")
    codec = Dicom(low=-4096, high=4096, outside="clip")
    picture = codec.read(tmp_path / "turned.dcm")
    assert torch.equal(picture, codec.read(tmp_path / "seen.dcm")) and picture.std() > 0
    codec.write(picture, tmp_path / "made.dcm", like=tmp_path / "turned.dcm")
    assert dcmread(tmp_path / "made.dcm").PhotometricInterpretation == "MONOCHROME2"
    assert torch.equal(codec.read(tmp_path / "made.dcm"), picture)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("turn", r"lie in planes that are not parallel, as localizers do: take one"),
        ("remove", r"001.dcm and 003.dcm lie 10 mm apart, .* usually 5 mm: .* `slices: 1`"),
        ("cut", r"001.dcm: its neighbour 002.dcm cannot be read: "),
        ("shrink", r"its neighbours in the series have other rows, columns or channels"),
    ],
)
def test_neighbours_that_are_none(change: str, words: str, series: Path) -> None:
    from gankit_medical.dicom import Dicom
    from pydicom import dcmread

    file = series / "002.dcm"
    image = dcmread(file)
    if change == "turn":
        image.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    if change == "shrink":
        image.Rows, image.PixelData = 16, image.PixelData[:1024]
    image.save_as(file)
    if change == "cut":
        file.write_bytes(file.read_bytes()[:-900])
    if change == "remove":
        file.unlink()
    with pytest.raises(DataError, match=words):
        Dicom(slices=3, **WINDOW).read(series / "001.dcm")
    assert Dicom(**WINDOW).read(series / "001.dcm").shape == (1, 32, 32)
