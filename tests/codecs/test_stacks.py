"""Files that hold several pictures, and endings of two parts."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from gankit.codecs.base import Codec, Header
from gankit.codecs.image import Image8
from gankit.codecs.npy import Npy
from gankit.core.errors import DataError
from gankit.core.files import ending
from gankit.data.images import list_images
from gankit.inference.translate import translate_paths
from gankit.testing.codecs import judge_codec
from tests.evaluation.fakes import Brighten


class Reel(Codec):
    """An array (S, C, H, W) of float32, 0 to 255 <-> [-1, 1]."""

    extensions = frozenset({".reel", ".reel.npy"})
    default_extension = ".reel.npy"
    stacks = True

    def __init__(self) -> None:
        super().__init__(0, 255)

    def header(self, path: Path) -> Header:
        _, channels, height, width = self.decode_stack(path).shape
        return Header(channels, height, width, np.dtype(np.float32))

    def decode(self, path: Path) -> np.ndarray:
        (picture,) = self.decode_stack(path)
        return picture

    def decode_stack(self, path: Path) -> np.ndarray:
        return np.load(io.BytesIO(path.read_bytes()))

    def encode(self, values: np.ndarray, extension: str, like: Path | None) -> bytes:
        return self.encode_stack(values[None], extension, like)

    def encode_stack(self, values: np.ndarray, extension: str, like: Path | None) -> bytes:
        file = io.BytesIO()
        np.save(file, values)
        return file.getvalue()


def reel(path: Path, count: int = 3, channels: int = 3) -> torch.Tensor:
    pictures = torch.rand(count, channels, 8, 12, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8
    Reel().write_stack(pictures, path)
    return pictures


def test_endings_of_two_parts() -> None:
    ours = {".gz", ".nii.gz", ".tif"}
    found = [ending(Path(name), ours) for name in ("a/Scan.NII.gz", "b.x.tif", "c.gz", ".tif", "d", "nii.gz")]
    assert found == [".nii.gz", ".tif", ".gz", "", "", ".gz"]


def test_a_folder_is_searched_for_endings_of_two_parts(tmp_path: Path) -> None:
    for name in ("one.reel.npy", "two.npy", "three.reel"):
        reel(tmp_path / name)
    assert [path.name for path in list_images(tmp_path, Reel.extensions)] == ["one.reel.npy", "three.reel"]


def test_a_stack_is_read_and_written(tmp_path: Path) -> None:
    drawn = reel(tmp_path / "x.reel.npy")
    assert Reel().shape(tmp_path / "x.reel.npy") == (3, 8, 12)
    torch.testing.assert_close(Reel().read_stack(tmp_path / "x.reel.npy", 3), drawn)
    with pytest.raises(DataError, match=r"x.reel.npy: it has 3 channels, not the 1 that are wanted"):
        Reel().read_stack(tmp_path / "x.reel.npy", 1)


def test_other_files_are_stacks_of_one_picture(tmp_path: Path) -> None:
    codec, pictures = Npy(low=0, high=1), torch.zeros(2, 1, 4, 4)
    codec.write_stack(pictures[:1], tmp_path / "x.npy")
    assert codec.read_stack(tmp_path / "x.npy").shape == (1, 1, 4, 4)
    with pytest.raises(DataError, match=r"y.npy: 2 pictures do not go into one file of npy"):
        codec.write_stack(pictures, tmp_path / "y.npy")
    assert not (tmp_path / "y.npy").exists()


def test_the_kit_holds_a_codec_of_stacks_to_its_word() -> None:
    judge_codec(Reel())

    class Shuffled(Reel):
        def encode_stack(self, values: np.ndarray, extension: str, like: Path | None) -> bytes:
            return super().encode_stack(values[::-1], extension, like)

    with pytest.raises(AssertionError, match="a stack"):
        judge_codec(Shuffled())


def test_the_pictures_of_a_file_are_translated_and_become_one_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    drawn, codecs, told = reel(tmp_path / "in" / "x.reel.npy"), {"a": Reel(), "b": Reel()}, list[float]()
    outcome = translate_paths(
        Brighten(10), [tmp_path / "in"], tmp_path / "out", codecs=codecs, progress=lambda done, _: told.append(done)
    )
    assert outcome.written == [tmp_path / "out" / "x.reel.npy"] and not outcome.failed
    torch.testing.assert_close(Reel().read_stack(outcome.written[0]), drawn + 10 / 127.5)
    assert told == [0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1, 1]


def test_a_stack_does_not_become_a_file_of_one_picture(tmp_path: Path) -> None:
    reel(tmp_path / "x.reel")
    outcome = translate_paths(Brighten(), [tmp_path / "x.reel"], tmp_path / "out", codecs={"a": Reel(), "b": Image8()})
    assert not outcome.written and not (tmp_path / "out").exists()
    assert outcome.failed == [
        f"{tmp_path / 'x.reel'}: a file of several pictures cannot become one of image, 8 bits, which holds one"
    ]


def test_broken_stacks_are_named_and_the_others_translated(tmp_path: Path) -> None:
    for name in ("a", "b"):
        reel(tmp_path / f"{name}.reel")
    (tmp_path / "a.reel").write_bytes(b"\x93NUMPY")
    outcome = translate_paths(Brighten(), [tmp_path], tmp_path / "out", codecs={"a": Reel(), "b": Reel()})
    assert [path.name for path in outcome.written] == ["b.reel"] and "a.reel: damaged" in outcome.failed[0]
