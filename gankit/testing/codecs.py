"""What a codec must do: write what it reads, say sizes from headers, and refuse damage by name."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from gankit.codecs.base import Codec
from gankit.core.errors import DataError
from gankit.testing.calls import require

SIZE = (6, 9)


def judge_codec(codec: Any) -> None:
    """Raise AssertionError unless the codec keeps `gankit.codecs.base.Codec`."""
    require(isinstance(codec, Codec), f"a codec is a gankit.codecs.base.Codec, this is a {type(codec).__name__}")
    torch.manual_seed(0)
    endings = codec.extensions
    require(bool(endings) and isinstance(endings, frozenset), "`extensions` is a frozenset, such as of '.tif'")
    bad = [e for e in endings if e != e.lower() or not e.startswith(".")]
    require(not bad, f"`extensions` are in small letters, with the dot: not {', '.join(bad)}")
    require(codec.default_extension in endings, f"`default_extension` is {codec.default_extension!r}: one of its own")
    with tempfile.TemporaryDirectory() as folder:
        first, again = (Path(folder, name + codec.default_extension) for name in ("first", "again"))
        picture = _judge_round(codec, first, again)
        if codec.stacks and picture is not None:
            _judge_stack(codec, len(picture), again)
        _judge_damage(codec, first)
        require(picture is not None, "it writes pictures of neither 1 nor 3 channels")


def _judge_round(codec: Codec, first: Path, again: Path) -> torch.Tensor | None:
    """The largest picture that it writes and reads."""
    picture = None
    for channels in (1, 3):
        drawn = torch.rand(channels, *SIZE) * 2 - 1
        drawn[:, 0, 0], drawn[:, -1, -1] = -1, 1
        try:
            codec.write(drawn, first)
            picture = codec.read(first, channels)
        except (DataError, ValueError):
            continue  # a codec of one number of channels
        require(picture.shape == drawn.shape, f"{tuple(drawn.shape)} is read back as {tuple(picture.shape)}")
        require(picture.dtype == torch.float32, f"`read` gives {picture.dtype}, not float32")
        require(bool(picture.abs().max() <= 1), f"`read` leaves [-1, 1]: {picture.abs().max():.3g}")
        require(bool((picture - drawn).abs().max() < 0.01), "what is written is read back as another picture")
        shape = codec.shape(first)[-2:]
        require(shape == SIZE, f"`shape` says {shape[1]} x {shape[0]} px of a picture of {SIZE[1]} x {SIZE[0]}")
        codec.write(picture, again, like=first)
        require(torch.equal(codec.read(again, channels), picture), "a picture that was read and written is another one")
    return picture


def _judge_stack(codec: Codec, channels: int, path: Path) -> None:
    drawn = torch.rand(3, channels, *SIZE) * 2 - 1
    codec.write_stack(drawn, path)
    stack = codec.read_stack(path, channels)
    require(stack.shape == drawn.shape, f"a stack {tuple(drawn.shape)} is read back as {tuple(stack.shape)}")
    require(bool((stack - drawn).abs().max() < 0.01), "a stack that is written is read back as another one")


def _judge_damage(codec: Codec, path: Path) -> None:
    for content in (path.read_bytes()[: path.stat().st_size // 2], b""):
        path.write_bytes(content)
        for name, use in (("read", codec.read), ("shape", codec.shape)):
            try:
                result = use(path)
            except DataError as error:
                require(str(path) in str(error), f"an error does not name the file: {error}")
            except Exception as error:
                raise AssertionError(f"damage ends in a {type(error).__name__}, not in a DataError: {error}") from error
            else:
                half = name == "shape" or tuple(torch.as_tensor(result).shape[-2:]) != SIZE
                require(bool(content) and half, "half a file, or nothing, is read as if it were whole")
