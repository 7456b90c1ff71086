"""Every kind of picture file is read, or refused by name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from gankit.codecs.images import from_model_range, image_pixels, image_size, read_image, save_png, to_model_range
from gankit.core.errors import DataError, GankitError

RAMP = np.add.outer(np.arange(12) * 12, np.arange(16) * 7).astype(np.uint8)  # (12, 16), 0..237
COLOUR = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=-1)


def pixels(path: Path, channels: int = 3) -> np.ndarray:
    picture = read_image(path, channels)
    assert picture.dtype == torch.uint8
    assert picture.shape == (channels, *image_size(path))
    return picture.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("name", ["x.png", "x.bmp", "x.tif", "x.ppm"])
def test_lossless_formats(tmp_path: Path, name: str):
    Image.fromarray(COLOUR).save(tmp_path / name)
    assert np.array_equal(pixels(tmp_path / name), COLOUR)


@pytest.mark.parametrize("name", ["x.jpg", "x.webp"])
def test_lossy_formats(tmp_path: Path, name: str):
    Image.fromarray(COLOUR).save(tmp_path / name, quality=95)
    assert np.abs(pixels(tmp_path / name).astype(int) - COLOUR).mean() < 12


def test_grey(tmp_path: Path):
    Image.fromarray(RAMP).save(tmp_path / "x.png")
    assert np.array_equal(pixels(tmp_path / "x.png"), np.repeat(RAMP[..., None], 3, 2))
    assert np.array_equal(pixels(tmp_path / "x.png", 1)[..., 0], RAMP)


def test_colour_to_grey_weighs_the_colours(tmp_path: Path):
    Image.fromarray(COLOUR).save(tmp_path / "x.png")
    expected = COLOUR @ np.array([0.299, 0.587, 0.114])
    assert np.abs(pixels(tmp_path / "x.png", 1)[..., 0] - expected).max() <= 1


def test_one_bit(tmp_path: Path):
    Image.fromarray(RAMP > 100).save(tmp_path / "x.png")
    for channels in (1, 3):
        assert np.array_equal(pixels(tmp_path / "x.png", channels)[..., 0], np.where(RAMP > 100, 255, 0))


def test_transparency_is_laid_on_white(tmp_path: Path):
    alpha = np.full_like(RAMP, 255)
    alpha[:, :8], alpha[:, 8:12] = 0, 128
    Image.fromarray(np.dstack([COLOUR, alpha])).save(tmp_path / "rgba.png")
    Image.fromarray(np.dstack([RAMP, alpha]), "LA").save(tmp_path / "la.png")
    for name, base in (("rgba.png", COLOUR), ("la.png", np.repeat(RAMP[..., None], 3, 2))):
        read = pixels(tmp_path / name)
        assert (read[:, :8] == 255).all()
        assert np.array_equal(read[:, 12:], base[:, 12:])
        half = base[:, 8:12].astype(float) * 128 / 255 + 255 * 127 / 255
        assert np.abs(read[:, 8:12] - half).max() <= 1


def test_palette_with_and_without_transparency(tmp_path: Path):
    image = Image.fromarray((RAMP > 100).astype(np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(tmp_path / "plain.png")
    image.save(tmp_path / "clear.png", transparency=0)
    expected = np.where((RAMP > 100)[..., None], [0, 0, 255], [255, 0, 0])
    assert np.array_equal(pixels(tmp_path / "plain.png"), expected)
    assert np.array_equal(pixels(tmp_path / "clear.png"), np.where((RAMP > 100)[..., None], [0, 0, 255], 255))


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_sixteen_bit_grey_is_scaled(tmp_path: Path, name: str):
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / name)
    assert np.array_equal(pixels(tmp_path / name, 1)[..., 0], RAMP)
    assert np.array_equal(pixels(tmp_path / name)[..., 2], RAMP)


def test_the_transparent_level_of_sixteen_bit_grey_is_white(tmp_path: Path):
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / "x.png", transparency=12 * 257)
    assert np.array_equal(pixels(tmp_path / "x.png", 1)[..., 0], np.where(RAMP == 12, 255, RAMP))


def test_sixteen_bit_colour_is_scaled(tmp_path: Path):
    (tmp_path / "x.png").write_bytes(png(16, 12, COLOUR.astype(">u2") * 257, bits=16, kind=2))
    assert np.array_equal(pixels(tmp_path / "x.png"), COLOUR)


def test_float_pictures(tmp_path: Path):
    Image.fromarray(RAMP.astype(np.float32) / 255).save(tmp_path / "unit.tif")
    Image.fromarray(RAMP.astype(np.float32) * 300).save(tmp_path / "wide.tif")
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "nan.tif")
    assert np.array_equal(pixels(tmp_path / "unit.tif", 1)[..., 0], RAMP)
    with pytest.raises(DataError, match=r"wide.tif: its values 0 to 71100 are not within 0 to 1"):
        read_image(tmp_path / "wide.tif")
    with pytest.raises(DataError, match=r"nan.tif"):
        read_image(tmp_path / "nan.tif")


def test_integers_of_32_bits_beyond_16_are_named(tmp_path: Path):
    Image.fromarray(RAMP.astype(np.int32) * 1000).save(tmp_path / "x.tif")
    with pytest.raises(DataError, match=r"x.tif: its values, integers of 32 bits with a sign, .* 0 to 237000"):
        read_image(tmp_path / "x.tif")


DEEP = RAMP.astype(np.uint16) * 17  # 12 bits


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("x.png", lambda p: Image.fromarray(DEEP).save(p), r"from 0 to 4029.*grey16.*high: 4095"),
        ("x.tif", lambda p: Image.fromarray(DEEP).save(p), r"from 0 to 4029.*grey16.*high: 4095"),
        (
            "x.tif",
            lambda p: Image.fromarray(DEEP.astype(np.int32)).save(p),
            r"of 32 bits.*type: tiff, low: 0, high: 40",
        ),
        ("x.tif", lambda p: tifffile.imwrite(p, DEEP.astype(np.int16)), r"of 16 bits with a sign.*high: 4095"),
        (
            "x.png",
            lambda p: p.write_bytes(png(16, 12, (COLOUR.astype(np.uint16) * 16).astype(">u2"), bits=16, kind=2)),
            r"from 0 to 4095.*type: rgb16, low: 0, high: 4095",
        ),
    ],
)
def test_bits_that_may_not_be_used_are_not_guessed(tmp_path: Path, name: str, write, words: str):
    write(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name}: .*{words}"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("channels", [1, 3])
def test_black_of_16_bits_is_black(tmp_path: Path, channels: int):
    black = np.zeros((12, 16, channels), ">u2")
    (tmp_path / "x.png").write_bytes(png(16, 12, black, bits=16, kind=2 if channels == 3 else 0))
    assert not pixels(tmp_path / "x.png", channels).any()


def test_twelve_bits_that_a_tiff_declares_are_scaled(tmp_path: Path):
    packed = np.packbits(
        np.unpackbits(DEEP.astype(">u2")[..., None].view(np.uint8), axis=-1)[..., 4:].reshape(12, -1), 1
    )
    tags = {
        256: (4, 16),
        257: (4, 12),
        258: (3, 12),
        259: (3, 1),
        262: (3, 1),
        273: (4, 134),
        277: (3, 1),
        278: (4, 12),
    }
    tags |= {279: (4, packed.size), 339: (3, 1)}
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in tags.items())
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + struct.pack("<I", 0)
    (tmp_path / "x.tif").write_bytes(head.ljust(134, b"\0") + packed.tobytes())
    assert np.array_equal(pixels(tmp_path / "x.tif", 1)[..., 0], np.rint(DEEP * (255 / 4095)))


def test_a_pgm_says_its_white(tmp_path: Path):
    (tmp_path / "x.pgm").write_bytes(b"P5 16 12 4095\n" + (DEEP // 4).astype(">u2").tobytes())
    assert np.abs(pixels(tmp_path / "x.pgm", 1)[..., 0] - DEEP // 4 * (255 / 4095)).max() <= 1


def test_cmyk(tmp_path: Path):
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    cyan.save(tmp_path / "x.tif")
    cyan.save(tmp_path / "x.jpg", quality=100)
    for name in ("x.tif", "x.jpg"):
        assert np.abs(pixels(tmp_path / name).astype(int) - [0, 255, 255]).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_exif_orientation(tmp_path: Path, name: str, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLOUR).save(tmp_path / name, exif=exif)
    turns = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}  # quarter turns to the left, after the mirroring
    expected = np.rot90(COLOUR[:, ::-1] if orientation in (2, 4, 5, 7) else COLOUR, turns[orientation])
    assert np.array_equal(pixels(tmp_path / name), expected)
    Image.fromarray(COLOUR[..., 0]).save(tmp_path / name, exif=exif)
    assert np.array_equal(pixels(tmp_path / name, 1)[..., 0], expected[..., 0])


def test_missing_empty_and_foreign_files_are_named(tmp_path: Path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n")
    for name, reason in (
        ("gone.png", "no such file"),
        ("empty.png", "not a picture"),
        ("text.jpg", "not a picture"),
        ("eps.png", "not a picture"),  # PIL would call Ghostscript for it
    ):
        for read in (read_image, image_size):
            with pytest.raises(DataError, match=f"{name}: {reason}"):
                read(tmp_path / name)


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", "x.tif", "x.bmp"])
def test_a_truncated_file_is_named(tmp_path: Path, name: str):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=rf"{name}: (damaged or cut off|not a picture)"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", "x.tif", "x.bmp"])
def test_the_size_is_read_without_decoding(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {} if name == "x.bmp" else {"exif": exif}
    Image.fromarray(COLOUR).save(tmp_path / name, **options)
    expected = tuple(read_image(tmp_path / name).shape[1:])
    assert expected == ((12, 16) if name == "x.bmp" else (16, 12))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    assert image_size(tmp_path / name) == expected


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "BMP", "TIFF", "WEBP"]))
def test_damage_never_gives_anything_but_a_picture_or_a_data_error(tmp_path_factory, data, kind: str):
    path = tmp_path_factory.mktemp("damaged") / "x.bin"
    Image.fromarray(COLOUR).save(path, format=kind)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        assert read_image(path).shape[0] == 3
    except DataError as error:
        assert str(path) in str(error)


VARIANTS: dict[str, dict] = {
    "plain": {},
    "progressive": {"progressive": True},
    "full colour": {"subsampling": 0},
    "half colour": {"subsampling": 1},
    "optimized": {"optimize": True, "quality": 40},
    "restarts": {"restart_marker_blocks": 1},
    "turned": {"exif": struct.pack("<6s2sHIHHHII", b"Exif\0\0", b"II", 42, 8, 1, 0x0112, 3, 1, 6)},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3])
def test_torchvision_decodes_jpeg_as_pil_does(tmp_path: Path, variant: str, mode: str, channels: int):
    path = tmp_path / "x.jpg"
    noise = np.random.default_rng(0).integers(0, 40, (37, 51, 3))
    smooth = np.add.outer(np.arange(37) * 3, np.arange(51) * 2)[..., None]
    Image.fromarray((noise + smooth).astype(np.uint8)).convert(mode).save(path, **VARIANTS[variant])
    assert torch.equal(read_image(path, channels, exact=False), read_image(path, channels))


@pytest.mark.parametrize("name", ["x.png", "x.bmp", "x.tif", "x.webp"])
def test_other_formats_are_pils(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torchvision.io.decode_jpeg", lambda *_: pytest.fail("decoded by torchvision"))
    Image.fromarray(COLOUR).save(tmp_path / name)
    assert torch.equal(read_image(tmp_path / name, exact=False), read_image(tmp_path / name))
    Image.fromarray(COLOUR).save(tmp_path / "x.jpg")
    read_image(tmp_path / "x.jpg")  # exact


def test_torchvision_decodes_plain_jpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    Image.fromarray(COLOUR).save(tmp_path / "x.jpg")
    monkeypatch.setattr("gankit.codecs.images.image_pixels", lambda *_: pytest.fail("decoded by PIL"))
    assert read_image(tmp_path / "x.jpg", exact=False).shape == (3, 12, 16)


def test_a_cut_off_jpeg_is_refused_at_every_length(tmp_path: Path):
    path = tmp_path / "x.jpg"
    Image.fromarray(COLOUR).save(path)
    whole = path.read_bytes()
    for length in (*range(0, len(whole), 9), len(whole) - 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"x\.jpg: (not a picture|damaged or cut off)"):
            read_image(path, exact=False)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_jpeg_is_read_or_refused_by_both_decoders(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "x.jpg"
    Image.fromarray(COLOUR).save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    outcomes: list[torch.Tensor | str] = []
    for exact in (True, False):
        try:
            outcomes.append(read_image(path, exact=exact))
        except DataError as error:
            outcomes.append(str(error))
    exact, fast = outcomes
    if isinstance(exact, str) or isinstance(fast, str):
        assert exact == fast
    else:
        assert torch.equal(exact, fast)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, rows: np.ndarray | None, bits: int = 8, kind: int = 2) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    lines = b"" if rows is None else b"".join(b"\0" + row.tobytes() for row in rows)
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [12_000, 50_000, 2**31 - 1])
def test_a_huge_picture_is_refused_from_its_header(tmp_path: Path, side: int, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "bomb.png").write_bytes(png(side, side, None))
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    for read in (read_image, image_size):
        with pytest.raises(DataError, match=r"bomb.png: .*more than the 134 megapixels that are read.*tiles"):
            read(tmp_path / "bomb.png")


def test_ranges():
    levels = torch.arange(256, dtype=torch.uint8)
    scaled = to_model_range(levels)
    assert torch.equal(scaled, (levels.float() / 255 - 0.5) / 0.5)  # ToTensor and Normalize
    assert scaled[0] == -1 and scaled[255] == 1 and (scaled.diff() > 0).all()
    assert torch.equal(from_model_range(scaled), levels)
    assert from_model_range(torch.tensor([-7.0, 9.0, float("nan"), float("inf")])).tolist() == [0, 255, 0, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_save_and_read_back(tmp_path: Path, channels: int):
    picture = torch.from_numpy(COLOUR).permute(2, 0, 1)[:channels]
    save_png(picture, tmp_path / "x.png")
    save_png(to_model_range(picture), tmp_path / "y.png")
    assert torch.equal(read_image(tmp_path / "x.png", channels), picture)
    assert torch.equal(read_image(tmp_path / "y.png", channels), picture)


def test_a_failed_save_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_png(torch.zeros(3, 4, 4, dtype=torch.uint8), tmp_path / "x.png")

    def half_then_full_disk(self, content):
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half_then_full_disk)
    with pytest.raises(GankitError, match=r"x.png: .*no space left") as caught:
        save_png(torch.ones(3, 4, 4), tmp_path / "x.png")
    assert caught.value.exit_code == 1
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]
    assert read_image(tmp_path / "x.png").sum() == 0


@pytest.mark.parametrize("filler", [b"#" + b"x" * 100_000 + b"\n", b" " * 100_000])
def test_a_header_without_end_is_refused(tmp_path: Path, filler: bytes) -> None:
    (tmp_path / "x.ppm").write_bytes(b"P6\n" + filler + b"2 2\n255\n" + bytes(12))
    with pytest.raises(DataError, match="header is longer than 64 kB"):
        read_image(tmp_path / "x.ppm")


@pytest.mark.parametrize("magic", [b"P4\n8 70000\n", b"P5\n1 70000\n255\n"])
def test_a_picture_of_blanks_has_a_header(tmp_path: Path, magic: bytes) -> None:
    (tmp_path / "x.pbm").write_bytes(magic + b" " * 70_000)
    assert read_image(tmp_path / "x.pbm").shape[1] == 70_000


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_tall_picture_is_converted_as_a_whole_one(mode: str, channels: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 7, 4), dtype=np.uint8)
    image = Image.fromarray(noise, "RGBA")
    if mode == "PA":
        image = image.convert("RGB").convert("P").convert("PA")
    else:
        image = (image if mode in ("RGBA", "LA") else image.convert("RGB")).convert(mode)
    whole = image.convert("RGBA") if image.has_transparency_data else image
    if image.has_transparency_data:
        whole = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole)
    expected = np.asarray(whole.convert("RGB").convert("L" if channels == 1 else "RGB")).reshape(600, 7, channels)
    if mode in ("L", "CMYK", "YCbCr", "HSV", "RGB"):  # to grey directly, by PIL's own way
        expected = np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(600, 7, channels)
    assert np.array_equal(image_pixels(image, channels).permute(1, 2, 0).numpy(), expected)
