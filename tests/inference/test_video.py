"""Videos, frame by frame."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gankit.core.errors import DataError
from gankit.inference.translate import translate_paths
from tests.evaluation.fakes import Brighten

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'gankit[video]'")
TIMES = (0, 1, 2, 5, 6, 7)  # in 1/10 s: one pause


def film(path: Path, size: tuple[int, int] = (32, 24), sound: bool = False) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p" if size[0] % 2 == 0 else "yuv444p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 10)
        voice = out.add_stream("aac", rate=8000) if sound else None
        for number, time in enumerate(TIMES):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 40 + 20 * number, np.uint8))
            frame.pts, frame.time_base = time, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if voice is not None:
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 6400), np.float32), format="fltp", layout="mono")
            samples.sample_rate, samples.pts = 8000, 0
            out.mux(voice.encode(samples))
            out.mux(voice.encode())
    return path


def frames(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as video:
        return [(float(f.pts * f.time_base), f.to_ndarray(format="rgb24")) for f in video.decode(video=0)]


@pytest.mark.parametrize("size", [(32, 24), (33, 25)])
def test_each_frame_is_translated_and_keeps_its_time(tmp_path: Path, size: tuple[int, int]) -> None:
    steps: list[float] = []
    source, out = film(tmp_path / "film.mp4", size), tmp_path / "out"
    outcome = translate_paths(Brighten(50), [source], out, progress=lambda done, total: steps.append(done))
    assert outcome.written == [out / "film.mp4"] and not outcome.failed
    assert sorted(p.name for p in out.iterdir()) == ["film.mp4"]
    made = frames(out / "film.mp4")
    assert [time for time, _ in made] == pytest.approx([t / 10 for t in TIMES])
    for number, (_, picture) in enumerate(made):
        assert picture.shape == (size[1], size[0], 3)
        assert abs(picture.mean() - (90 + 20 * number)) < 4
    assert steps == sorted(steps) and len(steps) > len(TIMES)


def test_the_sound_is_kept(tmp_path: Path) -> None:
    translate_paths(Brighten(50), [film(tmp_path / "film.mov", sound=True)], tmp_path / "out")
    with av.open(str(tmp_path / "out" / "film.mp4")) as made:
        assert len(made.streams.audio) == 1
        assert sum(frame.samples for frame in made.decode(audio=0)) >= 6400


def test_what_is_no_video_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no video" * 100)
    outcome = translate_paths(Brighten(), [tmp_path / "film.mp4"], tmp_path / "out")
    why = "Invalid data found when processing input"
    assert outcome.failed[0].endswith(f"film.mp4: it cannot be read as a video: {why}")
    assert not (tmp_path / "out").exists()


def test_without_pyav_the_command_says_what_to_install(tmp_path: Path, monkeypatch) -> None:
    source = film(tmp_path / "film.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DataError, match=r"gankit\[video\]"):
        from gankit.inference.video import translate_video

        translate_video(lambda x: x, source, tmp_path / "out.mp4")
