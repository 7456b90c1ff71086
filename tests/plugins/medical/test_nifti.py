"""NIfTI volumes: any order of axes, the affine kept, nothing else taken over; nibabel's own files."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gankit.core.errors import DataError

WINDOW: dict[str, Any] = {"low": -1000, "high": 1000, "units": "HU", "outside": "clip"}
PLAIN = np.random.default_rng(0).integers(-900, 900, (5, 6, 7)).astype(np.int16)
"""(S, H, W), as slices are shown."""


def put(path: Path, array: np.ndarray, affine: np.ndarray | None = None, kind: str = "Nifti1Image") -> Any:
    import nibabel as nib

    image = getattr(nib, kind)(array, np.eye(4) if affine is None else affine)
    image.header["descrip"] = b"Doe^Jane"
    if kind == "Nifti1Image":
        image.header["db_name"] = b"ward 7"
    nib.save(image, path)
    return image


def turned(codes: tuple[str, str, str]) -> tuple[np.ndarray, np.ndarray]:
    """The plain volume as a file whose axes run to these sides would hold it, and its affine."""
    from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform

    shown = PLAIN.transpose(2, 1, 0)[::-1, ::-1]  # slices S, rows P, columns L -> R, A, S
    turn = ornt_transform(axcodes2ornt(("R", "A", "S")), axcodes2ornt(codes))
    affine = np.diag([0.7, 0.8, 2.5, 1]) @ inv_ornt_aff(turn, shown.shape)
    return np.ascontiguousarray(apply_orientation(shown, turn)), affine


@pytest.mark.parametrize("order", [*permutations("RAS"), *permutations("LPI"), ("L", "A", "S")])
def test_slices_are_shown_alike_and_written_back_in_the_files_own_order(order: Any, tmp_path: Path) -> None:
    import nibabel as nib
    from gankit_medical.nifti import Nifti

    array, affine = turned(order)
    put(tmp_path / "x.nii.gz", array, affine)
    codec = Nifti(**WINDOW)
    stack = codec.read_stack(tmp_path / "x.nii.gz")
    assert np.array_equal(codec.denormalize(stack[:, 0], np.dtype(np.int16)), PLAIN)
    assert codec.shape(tmp_path / "x.nii.gz") == (1, 6, 7)
    codec.write_stack(stack, tmp_path / "y.nii.gz", like=tmp_path / "x.nii.gz")
    ours: Any = nib.load(tmp_path / "y.nii.gz")  # pyright: ignore[reportPrivateImportUsage]
    assert np.array_equal(np.asanyarray(ours.dataobj), array) and ours.get_data_dtype() == np.int16
    assert np.array_equal(ours.affine, nib.load(tmp_path / "x.nii.gz").affine)  # pyright: ignore
    content = ours.header.binaryblock
    assert b"Doe" not in content and b"ward" not in content


@pytest.mark.parametrize("axis, shape", [("axial", (5, 6, 7)), ("coronal", (6, 5, 7)), ("sagittal", (7, 5, 6))])
def test_axes_of_the_body(axis: Any, shape: tuple[int, int, int], tmp_path: Path) -> None:
    from gankit_medical.nifti import Nifti

    put(tmp_path / "x.nii", *turned(("R", "A", "S")))
    codec = Nifti(axis=axis, **WINDOW)
    stack = codec.read_stack(tmp_path / "x.nii")
    assert stack.shape == (shape[0], 1, *shape[1:])
    shown = codec.denormalize(stack[:, 0], np.dtype(np.int16))
    head_up = PLAIN[::-1]
    wanted = {"axial": PLAIN, "coronal": head_up.transpose(1, 0, 2), "sagittal": head_up.transpose(2, 0, 1)}
    assert np.array_equal(shown, wanted[axis])
    codec.write_stack(stack, tmp_path / "y.nii", like=tmp_path / "x.nii")
    torch.testing.assert_close(codec.read_stack(tmp_path / "y.nii"), stack, rtol=0, atol=0)


def test_neighbours_are_channels_and_each_slice_is_their_mean(tmp_path: Path) -> None:
    from gankit_medical.nifti import Nifti
    from gankit_medical.slices import joined, neighbours

    volume = torch.arange(4.0)[:, None, None, None].expand(4, 2, 3, 3)
    pictures = neighbours(volume, 3)
    assert pictures[:, :, 0, 0].tolist() == [
        [0, 0, 0, 0, 1, 1],
        [0, 0, 1, 1, 2, 2],
        [1, 1, 2, 2, 3, 3],
        [2, 2, 3, 3, 3, 3],
    ]
    torch.testing.assert_close(joined(pictures, 3), volume)
    pictures[1, 2:4] += 3  # the picture of slice 1 sees itself brighter; the mean of three pictures by 1
    assert (joined(pictures, 3) - volume)[:, 0, 0, 0].tolist() == [0, 1, 0, 0]
    for count in (1, 2, 5):
        torch.testing.assert_close(joined(neighbours(volume[:count], 5), 5), volume[:count])
    put(tmp_path / "x.nii", *turned(("L", "P", "S")))
    codec = Nifti(slices=3, **WINDOW)
    stack = codec.read_stack(tmp_path / "x.nii", 3)
    assert torch.equal(stack[1:, 0], stack[:-1, 1]) and codec.shape(tmp_path / "x.nii")[0] == 3
    codec.write_stack(stack, tmp_path / "y.nii", like=tmp_path / "x.nii")
    torch.testing.assert_close(codec.read_stack(tmp_path / "y.nii"), stack, rtol=0, atol=0)
    with pytest.raises(ValueError, match="must be odd"):
        Nifti(slices=2, **WINDOW)


def test_a_fourth_axis_gives_the_channels(tmp_path: Path) -> None:
    import nibabel as nib
    from gankit_medical.nifti import Nifti

    array = np.random.default_rng(1).integers(0, 900, (4, 5, 3, 2)).astype(np.uint16)
    put(tmp_path / "x.nii", array, kind="Nifti2Image")
    codec = Nifti(**WINDOW)
    stack = codec.read_stack(tmp_path / "x.nii", 2)
    assert stack.shape == (3, 2, 5, 4)
    codec.write_stack(stack, tmp_path / "y.nii", like=tmp_path / "x.nii")
    image: Any = nib.load(tmp_path / "y.nii")  # pyright: ignore[reportPrivateImportUsage]
    assert np.allclose(np.asanyarray(image.dataobj), array, atol=1e-3) and isinstance(image, nib.Nifti2Image)


def test_slope_and_offset_are_applied(tmp_path: Path) -> None:
    import nibabel as nib
    from gankit_medical.nifti import Nifti

    image: Any = nib.Nifti1Image(np.linspace(-900.5, 900.25, 60).reshape(3, 4, 5), np.eye(4))
    image.set_data_dtype(np.int16)  # nibabel finds a slope
    nib.save(image, tmp_path / "x.nii")
    stored: Any = nib.load(tmp_path / "x.nii")  # pyright: ignore[reportPrivateImportUsage]
    codec = Nifti(**WINDOW)
    stack = codec.read_stack(tmp_path / "x.nii")
    np.testing.assert_allclose(
        np.sort(codec.denormalize(stack).ravel()), np.sort(stored.get_fdata().ravel()), atol=1e-3
    )
    codec.write_stack(stack, tmp_path / "y.nii", like=tmp_path / "x.nii")
    again: Any = nib.load(tmp_path / "y.nii")  # pyright: ignore[reportPrivateImportUsage]
    np.testing.assert_allclose(again.get_fdata(), stored.get_fdata(), atol=1e-3)


def test_what_is_refused(tmp_path: Path) -> None:
    from gankit_medical.nifti import Nifti

    put(tmp_path / "five.nii", np.zeros((2, 2, 2, 2, 2), np.int16))
    put(tmp_path / "rgb.nii", np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")]))
    put(tmp_path / "wide.nii", np.full((4, 4, 2), 2000, np.int16))
    put(tmp_path / "deep.nii", np.zeros((4, 4, 2), np.int16))
    (tmp_path / "no.nii.gz").write_bytes(b"not a volume")
    codec = Nifti(low=-1000, high=1000)
    for name, words in {
        "five": "it has 5 axes",
        "rgb": "none of float32",
        "wide": "not within the window",
        "no": "damaged",
    }.items():
        file = next(tmp_path.glob(f"{name}.*"))
        with pytest.raises(DataError, match=words) as raised:
            codec.read_stack(file)
        assert str(file) in str(raised.value)
    with pytest.raises(DataError, match=r"deep.nii: it has 2 slices, and a picture reaches 49 to either side"):
        Nifti(slices=99, low=-1000, high=1000).read_stack(tmp_path / "deep.nii")
    with pytest.raises(DataError, match="a volume of 2 slices and not one picture"):
        codec.read(tmp_path / "deep.nii")
    with pytest.raises(DataError, match=r"name them, as in `codec: \{type: gankit-medical/nifti, low: -?\d+"):
        Nifti().shape(tmp_path / "wide.nii")


@pytest.mark.filterwarnings("ignore:invalid value encountered in det")
def test_headers_that_are_odd_in_what_does_not_matter(tmp_path: Path) -> None:
    """A rotation that is none beside a valid sform, units that nobody knows: read, and the result lies there too."""
    import nibabel as nib
    from gankit_medical.nifti import Nifti

    image = put(tmp_path / "x.nii", PLAIN, np.diag([2.0, 3, 4, 1]))
    codec, plain = Nifti(**WINDOW), (tmp_path / "x.nii").read_bytes()
    for place, odd in ((123, b"\xff"), (256, np.float32([3, 2, 1]).tobytes()), (256, np.float32(np.nan).tobytes())):
        for code in (0, 1):
            content = bytearray(plain)
            content[252] = code
            content[place : place + len(odd)] = odd
            (tmp_path / "odd.nii").write_bytes(bytes(content))
            codec.write_stack(codec.read_stack(tmp_path / "odd.nii"), tmp_path / "y.nii", like=tmp_path / "odd.nii")
            ours: Any = nib.load(tmp_path / "y.nii")  # pyright: ignore[reportPrivateImportUsage]
            assert np.array_equal(ours.affine, image.affine) and np.array_equal(np.asanyarray(ours.dataobj), PLAIN)


@pytest.mark.parametrize("value", [0, np.nan])
def test_a_file_that_does_not_say_how_its_axes_lie_is_refused(value: float, tmp_path: Path) -> None:
    from gankit_medical.nifti import Nifti

    put(tmp_path / "x.nii", PLAIN)
    content = bytearray((tmp_path / "x.nii").read_bytes())
    content[280:328] = np.full(12, value, np.float32).tobytes()
    (tmp_path / "x.nii").write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"x.nii: its affine is no map of space, .* mend its sform or qform"):
        Nifti(**WINDOW).read_stack(tmp_path / "x.nii")


def test_a_file_of_two_axes_is_one_slice(tmp_path: Path) -> None:
    import nibabel as nib
    from gankit_medical.nifti import Nifti

    put(tmp_path / "x.nii", PLAIN[0])
    codec = Nifti(**WINDOW)
    picture = codec.read(tmp_path / "x.nii")
    assert picture.shape == (1, 7, 6)
    for channels, shape in ((1, (6, 7)), (2, (6, 7, 1, 2))):
        codec.write(picture.repeat(channels, 1, 1), tmp_path / "y.nii", like=tmp_path / "x.nii")
        ours: Any = nib.load(tmp_path / "y.nii")  # pyright: ignore[reportPrivateImportUsage]
        assert ours.shape == shape and torch.equal(codec.read(tmp_path / "y.nii"), picture.repeat(channels, 1, 1))


def test_a_result_of_another_size_fills_the_same_space(tmp_path: Path) -> None:
    import nibabel as nib
    from gankit_medical.nifti import Nifti

    affine = np.array([[0, 2.0, 0, 5], [3, 0, 0, 6], [0, 0, 4, 7], [0, 0, 0, 1]])
    source = put(tmp_path / "x.nii", np.zeros((4, 6, 5), np.int16), affine)
    codec = Nifti(**WINDOW)
    height, width = codec.shape(tmp_path / "x.nii")[1:]
    codec.write_stack(torch.zeros(5, 1, 2 * height, 2 * width), tmp_path / "y.nii", like=tmp_path / "x.nii")
    ours: Any = nib.load(tmp_path / "y.nii")  # pyright: ignore[reportPrivateImportUsage]
    assert ours.shape == (8, 12, 5) and ours.header.get_zooms() == (1.5, 1, 4)
    for old, new in ((-0.5, -0.5), (2.5, 5.5)):  # an edge, and a place inside
        there, here = (image.affine @ [at, at, 0, 1] for image, at in ((source, old), (ours, new)))
        np.testing.assert_allclose(here, there, atol=1e-6)
    with pytest.raises(DataError, match=r"x.nii: 3 slices do not lie where its 5 do"):
        codec.write_stack(torch.zeros(3, 1, height, width), tmp_path / "z.nii", like=tmp_path / "x.nii")
    assert not (tmp_path / "z.nii").exists()


def own_files() -> list[str]:
    """nibabel's test files that are NIfTI and small."""
    try:
        import nibabel
    except ImportError:
        return []
    folder = Path(nibabel.__file__).parent / "tests" / "data"
    return sorted(str(f) for ending in ("*.nii", "*.nii.gz") for f in folder.glob(ending) if f.stat().st_size < 2**20)


@pytest.mark.parametrize("file", own_files(), ids=lambda file: Path(file).name)
def test_files_of_nibabel_are_read_translated_and_written_with_their_geometry(file: str, tmp_path: Path) -> None:
    import nibabel as nib
    from gankit_medical.nifti import Nifti

    from gankit.inference.translate import translate_paths
    from tests.evaluation.fakes import Brighten

    source: Any = nib.load(file)  # pyright: ignore[reportPrivateImportUsage]
    values = np.nan_to_num(source.get_fdata())
    if source.ndim not in (3, 4) or not np.isfinite(source.get_fdata()).all():
        with pytest.raises(DataError):
            Nifti(low=0, high=1, outside="clip").read_stack(file)
        return
    low, high = float(values.min()) - 1, 2 * float(values.max()) - float(values.min()) + 1
    codec = Nifti(low=low, high=high)
    channels = codec.shape(file)[0]
    method = Brighten(10)
    outcome = translate_paths(
        method, [file], tmp_path / "out", codecs={"a": codec, "b": codec}, channels=dict.fromkeys("ab", channels)
    )
    assert not outcome.failed
    result: Any = nib.load(outcome.written[0])  # pyright: ignore[reportPrivateImportUsage]
    assert outcome.written[0].name == Path(file).name and result.shape == source.shape
    np.testing.assert_allclose(result.affine, source.affine, atol=1e-6)
    np.testing.assert_allclose(result.header.get_zooms(), source.header.get_zooms(), rtol=1e-6)
    assert result.header.get_xyzt_units() == source.header.get_xyzt_units()
    step = (high - low) * 5 / 127.5  # 10 levels of [-1, 1]
    tolerance = 0.51 if result.get_data_dtype().kind in "iu" else 1e-4 * (high - low)
    np.testing.assert_allclose(result.get_fdata(), values + step, atol=tolerance)


def test_the_checksum_of_a_compressed_file_is_read(tmp_path: Path) -> None:
    from gankit_medical.drawn_files import write_nifti
    from gankit_medical.nifti import Nifti

    drawn = np.random.default_rng(0).integers(-1000, 1000, (3, 16, 16)).astype(np.int16)
    write_nifti(tmp_path / "x.nii.gz", drawn)
    data = bytearray((tmp_path / "x.nii.gz").read_bytes())
    data[-8] ^= 1  # of the checksum at its end
    (tmp_path / "x.nii.gz").write_bytes(data)
    with pytest.raises(DataError, match=r"x.nii.gz: damaged \(CRC check failed"):
        Nifti(low=-1000, high=1000).read_stack(tmp_path / "x.nii.gz")
