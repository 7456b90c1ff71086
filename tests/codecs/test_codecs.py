"""What is read is written back bit for bit, whatever its depth; what cannot be read is refused by name."""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gankit.codecs.base import Codec, WindowError, as_codec
from gankit.codecs.image import Image8
from gankit.codecs.masks import read_mask
from gankit.codecs.npy import Npy
from gankit.codecs.sixteen import RGB16, Grey16
from gankit.codecs.tiff import DEPTHS, Tiff
from gankit.core.errors import DataError, GankitError, RecipeError
from gankit.training.fingerprint import fingerprints

FULL = {"low": 0, "high": 65535}
INTEGERS = {"uint8": (0, 255), "uint16": (0, 65535), "int8": (-128, 127), "int16": (-32768, 32767)}
WIDE = {"uint32": (2**31, 2**31 + 2**24 - 1), "int32": (-(2**23), 2**23 - 1)}
FLOATS = {"float16": (-4, 4), "float32": (-4, 4), "float64": (-4, 4)}
WINDOWS = INTEGERS | WIDE | FLOATS


def drawn(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Values of the whole window of a dtype, both ends among them; float64 ones of 24 bits."""
    low, high = WINDOWS[dtype]
    rng = np.random.default_rng(seed)
    if dtype in FLOATS:
        values = rng.uniform(low, high, shape).astype(np.float32).astype(dtype)
    else:
        values = rng.integers(low, high, shape, endpoint=True).astype(dtype)
    values.flat[0], values.flat[-1] = low, high
    return values


def put(path: Path, planes: np.ndarray, codec: Codec) -> Path:
    """A file of (C, H, W), written by others than the codec."""
    inner = planes[0] if len(planes) == 1 else np.moveaxis(planes, 0, -1)
    if path.suffix == ".npy":
        np.save(path, planes if codec == Npy(layout="chw", low=codec.low, high=codec.high) else inner)
    elif path.suffix == ".png" and planes.dtype == np.uint16 and len(planes) == 3:
        import imagecodecs

        path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(inner)))
    elif path.suffix == ".png":
        Image.fromarray(inner).save(path)
    else:
        rgb = len(planes) == 3 and planes.dtype == np.uint16
        more = {"photometric": "rgb" if rgb else "minisblack", "planarconfig": "contig"} if len(planes) > 1 else {}
        tifffile.imwrite(path, inner, metadata=None, **more)
    return path


def values_of(path: Path) -> np.ndarray:
    """What stands in a file, read by others than the codec."""
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".png":
        import imagecodecs

        return imagecodecs.png_decode(path.read_bytes())
    return tifffile.imread(path)


def cases() -> list[Any]:
    every: list[tuple[Callable[..., Codec], str, str, int]] = [
        (Grey16, ".png", "uint16", 1),
        (Grey16, ".tif", "uint16", 1),
        (RGB16, ".png", "uint16", 3),
        (RGB16, ".tiff", "uint16", 3),
        *((Tiff, ".tif", dtype, channels) for dtype in sorted(DEPTHS) for channels in (1, 2, 3, 5)),
        *((Npy, ".npy", dtype, channels) for dtype in sorted(DEPTHS) for channels in (1, 3, 5)),
    ]
    return [pytest.param(*case, id=f"{case[0].__name__}-{'-'.join(map(str, case[1:]))}") for case in every]


@pytest.mark.parametrize(("make", "extension", "dtype", "channels"), cases())
@settings(max_examples=8, deadline=None)
@given(height=st.integers(1, 9), width=st.integers(2, 9), seed=st.integers(0, 2**16))
def test_what_is_read_is_written_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory,
    make: Callable[..., Codec],
    extension: str,
    dtype: str,
    channels: int,
    height: int,
    width: int,
    seed: int,
) -> None:
    folder, (low, high) = tmp_path_factory.mktemp("codec"), WINDOWS[dtype]
    codec = make(low=low, high=high)
    values = drawn((channels, height, width), dtype, seed)
    source = put(folder / f"source{extension}", values, codec)
    picture = codec.read(source)
    assert picture.dtype == torch.float32 and tuple(picture.shape) == codec.shape(source) == values.shape
    assert picture.flatten()[0] == -1 and picture.flatten()[-1] == 1 and picture.abs().max() <= 1
    codec.write(picture, folder / f"back{extension}", like=source)
    back = values_of(folder / f"back{extension}")
    assert back.dtype == np.dtype(dtype) and np.array_equal(back, values_of(source))
    assert torch.equal(codec.read(folder / f"back{extension}"), picture)


@settings(max_examples=20, deadline=None)
@given(height=st.integers(1, 9), width=st.integers(1, 9), channels=st.sampled_from([1, 3]), seed=st.integers(0, 99))
def test_eight_bits_are_written_back_bit_for_bit(tmp_path_factory, height: int, width: int, channels: int, seed: int):
    folder = tmp_path_factory.mktemp("codec")
    values = np.random.default_rng(seed).integers(0, 256, (channels, height, width), dtype=np.uint8)
    source = put(folder / "x.png", values, Image8())
    Image8().write(Image8().read(source, channels), folder / "y.png", like=source)
    assert np.array_equal(np.asarray(Image.open(folder / "y.png")), np.asarray(Image.open(source)))


def test_any_window_of_floats_is_met_to_a_ten_millionth(tmp_path: Path) -> None:
    codec = Npy(low=-1000, high=3000.5)
    values = np.random.default_rng(0).uniform(-1000, 3000.5, (1, 50, 50)).astype(np.float32)
    codec.write(codec.read(put(tmp_path / "x.npy", values, codec)), tmp_path / "y.npy", like=tmp_path / "x.npy")
    assert np.abs(np.load(tmp_path / "y.npy") - values[0]).max() < 4000.5e-7


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("make", "name"), [(Grey16, "x.png"), (Grey16, "x.tif"), (Tiff, "x.tif"), (RGB16, "x.png")])
def test_pictures_are_turned_upright(tmp_path: Path, make: Callable[..., Codec], name: str, orientation: int) -> None:
    channels = 3 if make is RGB16 else 1
    values = drawn((channels, 3, 5), "uint16")
    path, exif = put(tmp_path / name, values, make(**FULL)), Image.Exif()
    exif[0x0112] = orientation
    if name.endswith("tif"):
        Image.fromarray(values[0]).save(path, exif=exif)
    else:  # the chunk of EXIF behind the header
        from tests.codecs.test_images import chunk

        content = path.read_bytes()
        path.write_bytes(content[:33] + chunk(b"eXIf", exif.tobytes()[6:]) + content[33:])
    Image.fromarray((values[0] >> 8).astype(np.uint8)).save(tmp_path / "small.png", exif=exif)
    shown = Image8().read(tmp_path / "small.png", 1)
    read = make(**FULL).read(path)
    assert tuple(read.shape) == make(**FULL).shape(path) and read.shape[1:] == shown.shape[1:]
    assert (read[0] - shown[0]).abs().max() < 2 / 128


@pytest.mark.parametrize(
    ("make", "name", "dtype", "channels", "words"),
    [
        (Grey16, "x.png", "uint16", 1, r"codec: \{type: grey16, low: 0, high: 4095\}"),
        (RGB16, "x.png", "uint16", 3, r"codec: \{type: rgb16, low: 0, high: 4095\}"),
        (Tiff, "x.tif", "int32", 1, r"codec: \{type: tiff, low: 0, high: 4095\}"),
        (Tiff, "x.tif", "float32", 2, r"codec: \{type: tiff, low: 7, high: 3333\}"),
        (Npy, "x.npy", "uint16", 1, r"codec: \{type: npy, low: 0, high: 4095\}"),
    ],
)
def test_without_a_window_nothing_is_guessed(
    tmp_path: Path, make: Callable[..., Codec], name: str, dtype: str, channels: int, words: str
) -> None:
    values = np.full((channels, 4, 4), 7, dtype)
    values[..., 2] = 3333
    path = put(tmp_path / name, values, make())
    for use in (make().read, make().shape):
        with pytest.raises(WindowError, match=rf"{name}: its values, {dtype}, are from 7 to 3333, .*{words}"):
            use(path)


def test_negative_values_are_suggested_too(tmp_path: Path) -> None:
    path = put(tmp_path / "x.npy", np.array([[[-1000, 3000]]], np.int16), Npy())
    with pytest.raises(WindowError, match=r"low: -1024, high: 4095"):
        Npy().read(path)


@pytest.mark.parametrize(("make", "name"), [(Tiff, "x.tif"), (Npy, "x.npy")])
def test_eight_bits_need_no_window(tmp_path: Path, make: Callable[..., Codec], name: str) -> None:
    path = put(tmp_path / name, np.array([[[0, 51, 255]]], np.uint8), make())
    assert torch.allclose(make().read(path), torch.tensor([[[-1, -0.6, 1]]]))
    make().write(make().read(path), tmp_path / f"y{name}", like=path)
    make().write(make().read(path), tmp_path / f"z{name}")
    assert np.array_equal(values_of(tmp_path / f"y{name}"), values_of(path))
    assert np.array_equal(values_of(tmp_path / f"z{name}"), values_of(path))


def test_values_outside_the_window(tmp_path: Path) -> None:
    path = put(tmp_path / "x.npy", np.array([[[-100, 0, 500, 2000]]], np.int16), Npy())
    with pytest.raises(DataError, match=r"x.npy: its values -100 to 2000 are not within the window 0 to 1000"):
        Npy(low=0, high=1000).read(path)
    assert Npy(low=0, high=1000, outside="clip").read(path).tolist() == [[[-1, -1, 0, 1]]]


def test_what_networks_overshoot_is_clamped_to_the_window_and_the_depth(tmp_path: Path) -> None:
    codec = Npy(low=-10, high=300, dtype="int16")
    codec.write(torch.tensor([[[-7.0, 7.0, float("nan")]]]), tmp_path / "x.npy")
    assert np.load(tmp_path / "x.npy").tolist() == [[-10, 300, -10]]


def test_the_depth_is_the_sources_where_it_holds_the_window(tmp_path: Path) -> None:
    picture = torch.zeros(1, 2, 2)
    shallow = put(tmp_path / "a.npy", np.zeros((1, 2, 2), np.uint16), Npy())
    for codec, like, dtype in (
        (Npy(low=0, high=4095), shallow, "uint16"),
        (Npy(low=-1000, high=1000), shallow, "float32"),
        (Npy(low=0, high=1), shallow, "float32"),
        (Npy(low=0, high=4095), None, "float32"),
        (Npy(low=0, high=4095, dtype="int32"), shallow, "int32"),
    ):
        codec.write(picture, tmp_path / "out.npy", like=like)
        assert np.load(tmp_path / "out.npy").dtype == dtype
        assert np.load(tmp_path / "out.npy")[0, 0] == pytest.approx(codec.low + codec.high) or codec.low + 1


def test_kinds_follow_the_source() -> None:
    assert Grey16().extension(Path("x.TIFF")) == ".tiff"
    assert Grey16().extension(Path("x.npy")) == ".png"
    assert Tiff().extension(Path("x.jpg")) == ".tif"
    assert Image8().extension(Path("x.tif")) == ".png"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Npy(low=0), "give low and high"),
        (lambda: Npy(low=3, high=3), r"high \(3\) must be above low \(3\)"),
        (lambda: Npy(low=float("-inf"), high=3), "a window has finite ends, not -inf and 3"),
        (lambda: Npy(low=0, high=float("nan")), "a window has finite ends, not 0 and nan"),
        (lambda: Grey16(low=-1, high=10), "16-bit files hold 0 to 65535, not all of -1 to 10"),
        (lambda: Tiff(dtype="uint16"), "writing uint16 needs a window"),
        (lambda: Tiff(low=-1, high=4000, dtype="uint16"), "uint16 does not hold the window -1 to 4000"),
        (lambda: Tiff(low=0, high=1, dtype="uint16"), "uint16 does not hold the window 0 to 1 in 256 levels"),
    ],
)
def test_windows_that_are_none(make: Callable[[], Codec], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def save(path: Path, array: np.ndarray, **options: Any) -> None:
    tifffile.imwrite(path, array, metadata=None, **options)


GREY = np.arange(12, dtype=np.uint16).reshape(3, 4)
REFUSED: list[tuple[str, Callable[[], Codec], Callable[[Path], Any], str]] = [
    (
        "x.png",
        Grey16,
        lambda p: Image.new("L", (4, 4)).save(p),
        "not 16-bit grey, but 8-bit grey: codec image reads it",
    ),
    ("x.png", Grey16, lambda p: Image.new("RGB", (4, 4)).save(p), "in colours"),
    ("x.tif", Grey16, lambda p: save(p, GREY.astype(np.int32)), "of the kind I: perhaps codec tiff"),
    ("x.png", RGB16, lambda p: Image.new("RGB", (4, 4)).save(p), "8-bit RGB, not 16-bit RGB"),
    ("x.png", RGB16, lambda p: Image.fromarray(GREY).save(p), "16-bit grey, not 16-bit RGB"),
    ("x.tif", RGB16, lambda p: save(p, GREY), "1 channels of uint16, not 3 of uint16"),
    ("x.tif", Tiff, lambda p: save(p, GREY.astype(np.complex64)), "complex64: none of float16"),
    ("x.tif", Tiff, lambda p: save(p, GREY.astype(np.int64)), "int64: none of float16"),
    ("x.tif", Tiff, lambda p: save(p, GREY, photometric="miniswhite"), "stored as MINISWHITE"),
    ("x.tif", Tiff, lambda p: save(p, np.stack([GREY] * 3), photometric="minisblack"), "3 pages.*pages: channels"),
    ("x.npy", Npy, lambda p: np.save(p, np.array([{}], object), allow_pickle=True), "x.npy: .*[Pp]ython objects"),
    ("x.npy", Npy, lambda p: np.savez(p.with_suffix(".npz"), GREY) or p.with_suffix(".npz").rename(p), "archive"),
    ("x.npy", Npy, lambda p: np.save(p, GREY.astype(bool)), "bool: none of float16"),
    ("x.npy", Npy, lambda p: np.save(p, np.zeros((2, 2, 2, 2), np.uint8)), r"\(2, 2, 2, 2\): a picture is \(H, W\)"),
    ("x.npy", Npy, lambda p: np.save(p, np.zeros((0, 4), np.uint8)), "is empty"),
    ("x.npy", Npy, lambda p: np.save(p, np.full((2, 2), np.nan)), "NaN or infinite"),
    ("x.npy", Npy, lambda p: p.write_bytes(b""), "x.npy: "),
    ("x.tif", Tiff, lambda p: p.write_bytes(b"II*\0"), "damaged or cut off"),
    ("x.tif", Tiff, lambda p: None, "x.tif: no such file"),
    ("x.npy", Npy, lambda p: None, "x.npy: no such file"),
    ("x.png", Grey16, lambda p: None, "x.png: no such file"),
]


@pytest.mark.parametrize(("name", "make", "write", "words"), REFUSED)
def test_what_a_codec_refuses(
    tmp_path: Path, name: str, make: Callable[[], Codec], write: Callable[[Path], Any], words: str
) -> None:
    write(tmp_path / name)
    with pytest.raises(DataError, match=rf"(?s){name}: .*{words}|{words}") as caught:
        make(**FULL if make not in (Tiff, Npy) else {}).read(tmp_path / name)
    assert str(caught.value).count(str(tmp_path / name)) == 1 and not isinstance(caught.value, WindowError)


def test_pages_as_channels(tmp_path: Path) -> None:
    codec, values = Tiff(**FULL, pages="channels"), drawn((5, 3, 4), "uint16")
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="minisblack")
    tifffile.imwrite(tmp_path / "imagej.tif", values, imagej=True, metadata={"axes": "CYX"})
    for name in ("x.tif", "imagej.tif"):
        assert codec.shape(tmp_path / name) == (5, 3, 4)
        codec.write(codec.read(tmp_path / name), tmp_path / "back.tif", like=tmp_path / name)
        with tifffile.TiffFile(tmp_path / "back.tif") as file:
            assert len(file.pages) == 5
            assert np.array_equal(np.stack([page.asarray() for page in file.pages]), values)


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", None])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_forms_of_tiff(tmp_path: Path, compression: str | None, planar: str, byteorder: Any) -> None:
    values = drawn((5, 20, 24), "uint16")
    array = values if planar == "separate" else np.moveaxis(values, 0, -1)
    how: dict[str, Any] = {"planarconfig": planar, "compression": compression, "tile": (16, 16), "metadata": None}
    tifffile.imwrite(tmp_path / "x.tif", array, photometric="minisblack", byteorder=byteorder, **how)
    codec = Tiff(**FULL)
    assert np.array_equal(codec.denormalize(codec.read(tmp_path / "x.tif"), np.dtype(np.uint16)), values)


@pytest.mark.parametrize("layout", ["hwc", "chw"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_layouts_of_arrays(tmp_path: Path, layout: Any, order: Any) -> None:
    values = drawn((2, 3, 4), "int16")
    array = values if layout == "chw" else np.moveaxis(values, 0, -1)
    np.save(tmp_path / "x.npy", np.asarray(array, dtype=">i2", order=order))
    codec = Npy(low=-32768, high=32767, layout=layout)
    picture = codec.read(tmp_path / "x.npy")
    assert codec.shape(tmp_path / "x.npy") == (2, 3, 4) == tuple(picture.shape)
    codec.write(picture, tmp_path / "y.npy", like=tmp_path / "x.npy")
    assert np.array_equal(np.load(tmp_path / "y.npy"), array)


def test_a_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"shape": (2**20, 2**12), "fortran_order": False, "descr": "|u1"})
    (tmp_path / "x.npy").write_bytes(file.getvalue())
    with (tmp_path / "x.npy").open("r+b") as sparse:
        sparse.truncate(2**32 + 128)
    for use in (Npy().read, Npy().shape):
        with pytest.raises(DataError, match=r"x.npy: 4096 x 1048576 px of 1 channel are more than the 403 million"):
            use(tmp_path / "x.npy")


def test_other_channels_than_wanted_are_named(tmp_path: Path) -> None:
    path = put(tmp_path / "x.npy", drawn((5, 3, 4), "uint8"), Npy())
    with pytest.raises(DataError, match=r"x.npy: it has 5 channels, not the 3 that are wanted"):
        Npy().read(path, 3)
    with pytest.raises(DataError, match=r"x.png: the codec image reads 1 or 3 channels, not 5"):
        Image8().read(tmp_path / "x.png", 5)


@pytest.mark.parametrize(
    ("make", "name", "channels"), [(Grey16, "x.png", 1), (RGB16, "x.png", 3), (Tiff, "x.tif", 5), (Npy, "x.npy", 3)]
)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damage_gives_a_picture_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, make: Callable[..., Codec], name: str, channels: int, data: Any
) -> None:
    path, codec = tmp_path_factory.mktemp("damaged") / name, make(**FULL, outside="clip")
    codec.write(codec.read(put(path, drawn((channels, 9, 7), "uint16"), codec)), path, like=path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    for use in (codec.read, codec.shape):
        try:
            use(path)
        except DataError as error:
            assert str(path) in str(error)


def test_a_pipe_is_refused_not_waited_for(tmp_path: Path) -> None:
    codecs = {"x.png": Image8(), "y.png": Grey16(**FULL), "x.tif": Tiff(**FULL), "x.npy": Npy(**FULL)}
    signal.alarm(30)  # who waits is ended
    for name, codec in codecs.items():
        os.mkfifo(path := tmp_path / name)
        for use in (codec.read, codec.raw, codec.shape, read_mask if name == "x.png" else codec.read):
            with pytest.raises(DataError, match=rf"{name}: it is not a regular file"):
                use(path)
    assert fingerprints({"a": [path]}) == {"a": {str(path): "unreadable: it is not a regular file"}}
    signal.alarm(0)


@pytest.mark.parametrize(("make", "name"), [(Grey16, "x.png"), (RGB16, "x.png"), (Tiff, "x.tif"), (Npy, "x.npy")])
def test_half_a_file_is_refused(tmp_path: Path, make: Callable[..., Codec], name: str) -> None:
    codec = make(**FULL)
    path = put(tmp_path / name, drawn((3 if make is RGB16 else 1, 40, 40), "uint16"), codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"{name}: damaged"):
        codec.read(path)


@pytest.mark.parametrize("codec", ["rgb16", "tiff"])
def test_a_missing_library_is_told_at_its_place_in_the_recipe(monkeypatch: pytest.MonkeyPatch, codec: str) -> None:
    from gankit.core.recipe import Recipe
    from gankit.training.assemble import open_dataset
    from tests.training.tiny import recipe

    monkeypatch.setitem(sys.modules, "tifffile", None)
    data = {"type": "single", "codec": codec}
    with pytest.raises(
        RecipeError, match=rf"data\.codec: the codec {codec} needs tifffile: pip install 'gankit\[tiff\]'"
    ):
        open_dataset(Recipe.load({**recipe(), "data": data}))


def test_codecs_compare_by_what_they_do_and_travel_to_workers() -> None:
    codec = Tiff(low=0, high=4095, units="counts")
    assert codec == Tiff(low=0, high=4095, units="counts") == pickle.loads(pickle.dumps(codec))
    assert codec != Tiff(low=0, high=4096, units="counts") and codec != Npy(low=0, high=4095, units="counts")
    assert hash(codec) == hash(Tiff(low=0, high=4095, units="counts"))
    assert codec.words == "tiff, 0 to 4095 counts" and repr(codec).startswith("Tiff(low=0, high=4095, units='counts'")
    assert as_codec(Image8) == Image8() == as_codec(Image8())


def test_a_disk_that_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = Npy(low=0, high=1)
    codec.write(torch.zeros(1, 2, 2), tmp_path / "x.npy")
    before = (tmp_path / "x.npy").read_bytes()

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(GankitError, match=r"x.npy: cannot be written: no space left"):
        codec.write(torch.ones(1, 2, 2), tmp_path / "x.npy")
    assert [p.name for p in tmp_path.iterdir()] == ["x.npy"] and (tmp_path / "x.npy").read_bytes() == before
