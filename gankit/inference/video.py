"""Videos through a method, one frame in memory at a time. Needs PyAV: `pip install 'gankit[video]'`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gankit.codecs.images import from_model_range, to_model_range
from gankit.core.errors import DataError
from gankit.core.files import drafting, is_special, make_folder

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".mpg", ".mpeg"})


def is_video(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def translate_video(
    translate: Callable[[Tensor], Tensor],
    source: Path,
    target: Path,
    progress: Callable[[float], None] | None = None,
) -> int:
    """Write `target` (MP4, H.264) from the frames of `source`, at their times, with its sound; returns their number.

    translate: (1, 3, H, W) in [-1, 1] -> (1, 1 or 3, h, w) in [-1, 1], of one size for all frames. progress: called
    with the share that is done, where the container tells the number of frames. The file is written beside and renamed
    when it is whole; its folder is made where it is missing. Raises DataError when PyAV is missing, the video cannot be
    read or has no frame.
    """
    try:
        import av
        from av.error import FFmpegError
    except ImportError as e:
        raise DataError(f"{source}: videos need PyAV: pip install 'gankit[video]'") from e
    if is_special(source):
        raise DataError(f"{source}: it is not a regular file")
    try:
        with av.open(str(source)) as video:
            make_folder(target.parent)
            with drafting(target) as part:
                with av.open(str(part), "w", format="mp4") as out:
                    count = _write(_translated(translate, video, progress), video, out)
                if not count:
                    raise DataError(f"{source}: there is no frame in it")
                part.replace(target)
        return count
    except (FFmpegError, IndexError) as e:
        reason = e if isinstance(e, IndexError) else e.strerror
        raise DataError(f"{source}: it cannot be read as a video: {reason}") from e


def _translated(
    translate: Callable[[Tensor], Tensor], video: Any, progress: Callable[[float], None] | None
) -> Iterator[tuple[Any, Any]]:
    """Packets of sound as they come, and (pictures, time) of frames."""
    pictures, sound = video.streams.video[0], next(iter(video.streams.audio), None)
    pictures.thread_type = "AUTO"
    done = 0
    for packet in video.demux([stream for stream in (pictures, sound) if stream is not None]):
        if packet.stream is sound:
            if packet.dts is not None:
                yield None, packet
            continue
        for frame in packet.decode():
            pixels = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)
            yield from_model_range(translate(to_model_range(pixels)[None])[0]).cpu(), frame.pts
            done += 1
            if progress and pictures.frames:
                progress(min(1.0, done / pictures.frames))


def _write(frames: Iterator[tuple[Any, Any]], video: Any, out: Any) -> int:
    import av

    source, sound = video.streams.video[0], next(iter(video.streams.audio), None)
    stream, copied, count = None, out.add_stream_from_template(sound) if sound is not None else None, 0
    waiting: list[Any] = []  # sound that comes before the first picture: a container's streams are fixed by then
    for picture, rest in frames:
        if picture is None:
            waiting.append(rest)
        else:
            if stream is None:
                stream = _stream(out, source, picture)
            pixels = picture.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy()
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = rest, source.time_base
            out.mux(stream.encode(frame))
            count += 1
        if stream is not None:
            for packet in waiting:
                packet.stream = copied
                out.mux(packet)
            waiting = []
    if stream is not None:
        out.mux(stream.encode())
    return count


def _stream(out: Any, source: Any, picture: Tensor) -> Any:
    height, width = picture.shape[-2:]
    stream = out.add_stream("libx264", rate=source.average_rate or Fraction(25))
    stream.width, stream.height = width, height
    stream.pix_fmt = "yuv420p" if height % 2 == width % 2 == 0 else "yuv444p"  # halved colours need even sides
    stream.time_base = stream.codec_context.time_base = source.time_base
    stream.options = {"crf": "16"}
    return stream
