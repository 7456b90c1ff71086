"""What the page of `gankit demo` does, without a browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from gankit.cli.main import app
from gankit.core.errors import DataError
from gankit.web.station import Limits, Station
from gankit.web.trying import Wish, directions_of, fills_holes, hole_of, kinds_of, results
from tests.training import tiny
from tests.web.models import inpainting, model, png


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    (tmp_path / "photo.png").write_bytes(png(40, 20))
    return tmp_path / "photo.png"


def test_several_runs_beside_one_another(picture: Path) -> None:
    runs = [Station("agit", model(tiny.AGIT)), Station("munit", model(tiny.MUNIT, **tiny.STYLED))]
    shown = results(runs, Wish(picture, direction="b2a", side=16))
    assert [caption for _, caption in shown] == ["agit: b2a", "agit: attention", "munit: b2a"]
    assert {image.size for image, _ in shown} == {(16, 8)}
    seeded = results(runs, Wish(picture, direction="b2a", side=16, seed=3))  # is for the second one
    assert shown[0][0].tobytes() == seeded[0][0].tobytes() and shown[2][0].tobytes() != seeded[2][0].tobytes()


def test_what_is_painted_is_filled() -> None:
    run = Station("holes", inpainting())
    layer = Image.new("RGBA", (40, 24))
    layer.paste((200, 80, 20, 255), (10, 6, 20, 16))
    source = Image.linear_gradient("L").resize((20, 12)).convert("RGB")
    mask = hole_of([layer, Image.new("RGBA", (40, 24))], source.size)
    assert mask is not None and np.array(mask)[3:8, 5:10].all() and np.asarray(mask).sum() == 255 * 25
    ((filled, caption),) = results([run], Wish(source, mask))
    changed = (np.asarray(filled) != np.asarray(source)).any(-1)
    assert caption == "holes: a2b" and changed.any() and not changed[np.asarray(mask) == 0].any()
    assert hole_of([Image.new("RGBA", (4, 4))], (4, 4)) is None is hole_of([], (4, 4))
    with pytest.raises(DataError, match=r"holes: `mask` is missing"):
        results([run], Wish(source))


def test_what_the_page_offers() -> None:
    runs = [Station("holes", inpainting()), Station("run", model())]
    assert directions_of(runs) == ["a2b", "b2a"] and directions_of(runs[:1]) == ["a2b"]
    assert [fills_holes(run) for run in runs] == [True, False] and kinds_of(runs) == {}


def test_a_word_for_what_is_missing_or_wrong(picture: Path, tmp_path: Path) -> None:
    run = Station("run", model(), Limits(bytes=10))
    with pytest.raises(DataError, match="choose a run"):
        results([], Wish(picture))
    with pytest.raises(DataError, match="drop a picture"):
        results([run], Wish())
    with pytest.raises(DataError, match="larger than"):
        results([run], Wish(picture))
    with pytest.raises(DataError, match="drop it again"):
        results([run], Wish(tmp_path / "gone.png"))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match=r"run: picture.png: not a picture that can be read"):
        results([Station("run", model())], Wish(tmp_path / "text.png"))


def test_without_a_run_the_command_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 2 and "gankit train demo" in result.stderr
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    (run / "recipe.json").write_text('{"method": {"type": "cyclegan"}, "data": {}, "train": {}}')
    (run / "metrics.jsonl").write_text('{"step": 70}\n')
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 2 and "runs/mine  cyclegan, step 70" in result.stderr
