from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from gankit.core.errors import CheckpointError, GankitError
from gankit.evaluation.evaluate import evaluate
from gankit.evaluation.metrics import PSNR
from gankit.evaluation.object_metrics import AttentionIoU
from gankit.report.page import write
from tests.evaluation.fakes import Brighten, Scenes

VOID = {"meta", "img", "br", "line"}


class Page(HTMLParser):
    """Text, pictures and the balance of the tags."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.images: list[str] = []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.images += [dict(attrs)["src"]] if tag == "img" else []
        assert tag not in ("script", "link", "iframe")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    (run / "samples").mkdir(parents=True)
    recipe = {"name": "demo", "about": {"title": "A <b>title</b>", "arxiv": "1806.02311"}, "method": {"type": "agit"}}
    (run / "recipe.json").write_text(json.dumps(recipe))
    (run / "recipe.yaml").write_text("name: demo # </pre><script>alert(1)</script>\n")
    lines = [
        {"step": i, "epoch": i // 10, "time": i * 100.0, "losses": {"cycle/a2b": 1 / i, "cycle/b2a": 2 / i}}
        for i in range(1, 41)
    ]
    (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 41, "los')
    for step in range(1, 13):
        Image.new("RGB", (4, 4), (step, 0, 0)).save(run / "samples" / f"step_{step * 100:06d}.png")
    found = evaluate(Brighten(), Scenes(), metrics={"attention_iou": AttentionIoU(), "psnr": PSNR()})
    (run / "evaluation.json").write_text(json.dumps(found.as_dict()))
    Image.new("RGB", (4, 4)).save(run / "evaluation.png")
    return run


def test_the_report_shows_all_of_a_run(run: Path) -> None:
    path = write(run)
    assert path == run / "report.html"
    page = Page(path.read_text())
    for text in ("A <b>title</b>", "arXiv:1806.02311", "40 steps", "5 epochs", "1 h 6 min", "attention_iou"):
        assert text in page.text
    assert "0.5 " in page.text and "weights sha256" in page.text and "threshold 0.5" in page.text
    assert "</pre><script>alert(1)</script>" in page.text  # as text
    assert sorted(p.name for p in run.iterdir() if p.name.startswith(".")) == []


def test_what_is_watched_has_a_section_of_its_own(run: Path) -> None:
    assert "Critics and networks" not in Page(write(run).read_text()).text
    watched = {"critics/a2b/real": 0.75, "critics/a2b/fake": 0.25, "rho/generator_a2b/up.0.norm": 0.5}
    (run / "metrics.jsonl").write_text(json.dumps({"step": 1, "losses": {"cycle/a2b": 1.0}, "watched": watched}))
    text = Page(write(run).read_text()).text
    _, _, section = text.partition("Critics and networks")
    for words in ("critics/a2b", "real 0.75", "fake 0.25", "rho/generator_a2b", "up.0.norm 0.5"):
        assert words in section.partition("Samples")[0]


def test_nothing_is_loaded_from_outside(run: Path) -> None:
    source = write(run).read_text()
    assert re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)|url\(|@import""", source) == []


def test_samples_are_an_even_choice_newest_first(run: Path) -> None:
    page = Page(write(run).read_text())
    captions = re.findall(r"step ([\d,]+)", page.text)
    assert captions[0] == "1,200" and captions[-1] == "100" and len(captions) == 8
    assert "8 of 12 grids" in page.text
    embedded = base64.b64decode(page.images[1].removeprefix("data:image/png;base64,"))  # after evaluation.png
    assert embedded == (run / "samples" / "step_001200.png").read_bytes()


def test_an_empty_run_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").touch()
    page = Page(write(tmp_path).read_text())
    for text in ("Not measured", "Nothing logged", "No sample grids", "no recipe.yaml"):
        assert text in page.text


def test_broken_files_are_taken_as_missing(run: Path) -> None:
    (run / "recipe.json").write_text("{")
    (run / "evaluation.json").write_text("[]")
    (run / "metrics.jsonl").write_text("")
    page = Page(write(run).read_text())
    assert (
        "evaluation.json holds no mapping: measure it again" in page.text
        and "Nothing logged" in page.text
        and "run" in page.text
    )


def test_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such run directory"):
        write(tmp_path / "none")
    with pytest.raises(CheckpointError, match="is not a run directory"):
        write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_old_report(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write(run).read_text()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(GankitError, match=r"report\.html: cannot be written: no space left on device"):
        write(run)
    assert (run / "report.html").read_text() == before
    assert not list(run.glob(".report*"))


LINES = [
    [1],
    {"step": "1"},
    {"step": 10**400},
    {"step": -1},
    {"step": True},
    {"step": 5, "losses": [1], "watched": 3, "measured": {"a": 1}},
    {"step": 5, "losses": {"a": "x", "b": 10**400, "c": 1e308, "d": None}, "time": "long", "epoch": 1.5},
    {
        "step": 5,
        "measured": [3, {"value": 1}, {"metric": 1, "value": 2}, {"metric": "psnr", "direction": [], "value": 1}],
    },
    {"step": 5, "images_per_second": float("inf"), "time": float("nan")},
    {"step": 5, "losses": {"a": -1e308, "b/c/d": float("nan")}},
]


def test_damaged_lines_of_the_log_are_left_out(run: Path) -> None:
    text = "\n".join([*map(json.dumps, LINES), "[" * 100_000, "\udcff\x00"])
    (run / "metrics.jsonl").write_bytes(text.encode(errors="surrogateescape"))
    assert "5 steps" in Page(write(run).read_text()).text


@pytest.mark.parametrize("recipe", [{"about": [1]}, {"method": 3}, {"losses": "x"}, {"data": [{}]}, {"name": {}}, []])
def test_recipes_of_the_wrong_shape(run: Path, recipe: object) -> None:
    (run / "recipe.json").write_text(json.dumps(recipe))
    assert Page(write(run).read_text()).text


@pytest.mark.parametrize(
    "name", ["metrics.jsonl", "evaluation.json", "recipe.json", "recipe.yaml", "samples/step_1.png"]
)
def test_a_folder_where_a_file_should_be(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    (run / name).mkdir()
    (run / "samples" / "step_².png").write_bytes(b"")
    assert Page(write(run).read_text()).text


def test_measurements_stand_side_by_side(run: Path) -> None:
    def row(value: float, n: int) -> dict:
        told = {
            "metric": "psnr",
            "direction": "a2b",
            "value": value,
            "interval": None,
            "unit": "dB",
            "better": "higher",
        }
        return told | {"protocol": {"n": n}}

    several = [{"asked": {"limit": 2}, "results": [row(30, 2)]}, {"asked": {}, "results": [row(20, 9)]}]
    (run / "evaluation.json").write_text(json.dumps({"results": [], "measurements": several}))
    text = Page(write(run).read_text()).text
    assert text.index("20 dB") < text.index("Measured with limit 2:") < text.index("30 dB")
