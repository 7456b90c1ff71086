from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gankit.core.errors import DataError
from gankit.inference.translate import translate_paths
from tests.evaluation.fakes import Brighten
from tests.inference.test_translate import draw, names
from tests.methods.test_munit import munit


def made(folder: Path) -> list[bytes]:
    return [np.asarray(Image.open(folder / name)).tobytes() for name in names(folder)]


def test_several_styles_differ_and_follow_the_seed(tmp_path: Path) -> None:
    method, source = munit().eval(), tmp_path / "photo.png"
    noise = np.random.default_rng(0).integers(0, 256, (18, 20, 3), np.uint8)  # flat pictures have no content to style
    Image.fromarray(noise).save(source)
    for folder, seed in (("one", None), ("again", 0), ("other", 1)):
        outcome = translate_paths(method, [source], tmp_path / folder, styles=3, seed=seed)
        assert [path.name for path in outcome.written] == ["photo_style1.png", "photo_style2.png", "photo_style3.png"]
    assert made(tmp_path / "one") == made(tmp_path / "again") != made(tmp_path / "other")
    assert len(set(made(tmp_path / "one"))) == 3
    translate_paths(method, [source], tmp_path / "plain")
    translate_paths(method, [source], tmp_path / "seeded", seed=0)
    assert names(tmp_path / "plain") == ["photo.png"]
    assert made(tmp_path / "plain") == made(tmp_path / "seeded") == made(tmp_path / "one")[:1]


def test_the_style_of_an_example(tmp_path: Path) -> None:
    method, source = munit().eval(), draw(tmp_path / "photo.png", size=(16, 16))
    example = draw(tmp_path / "example.jpg", 200, (30, 17))
    translate_paths(method, [source], tmp_path / "out", style_image=example)
    pictures = [torch.full((1, 3, *size), level / 127.5 - 1) for level, size in ((100, (16, 16)), (200, (17, 30)))]
    expected = method.translate({"source": pictures[0], "style": method.encode_style(pictures[1])})
    found = torch.from_numpy(np.array(Image.open(tmp_path / "out" / "photo.png"))).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(found, expected[0], atol=0.03, rtol=0)


def test_results_in_styles_replace_nothing_and_keep_apart(tmp_path: Path) -> None:
    method = munit().eval()
    sources = [draw(tmp_path / name, size=(16, 16)) for name in ("photo.png", "photo_style1.png")]
    outcome = translate_paths(method, sources, tmp_path / "out", styles=2)
    assert len(outcome.written) == len(set(outcome.written)) == 4
    with pytest.raises(DataError, match="exists already"):
        translate_paths(method, sources, tmp_path / "out", styles=1)
    with pytest.raises(DataError, match="would be replaced"):
        translate_paths(method, sources[:1] + sources[1:], tmp_path, styles=1, overwrite=True)


def test_an_unreadable_picture_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    outcome = translate_paths(munit().eval(), [tmp_path / "bad.png"], tmp_path / "out", styles=3)
    assert len(outcome.failed) == 1 and not outcome.written


@pytest.mark.parametrize("options", [{"styles": 2}, {"seed": 1}, {"style_image": "x.png"}])
def test_methods_without_styles_refuse_them_in_words(options: dict, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="such as munit; this run's does not"):
        translate_paths(Brighten(10), [draw(tmp_path / "x.png")], tmp_path / "out", **options)


def test_random_styles_or_an_example_not_both(tmp_path: Path) -> None:
    source = draw(tmp_path / "x.png")
    with pytest.raises(DataError, match="--style-image"):
        translate_paths(munit(), [source], tmp_path / "out", styles=2, style_image=source)
