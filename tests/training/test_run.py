from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gankit.core.errors import CheckpointError, GankitError, RecipeError
from gankit.core.recipe import Recipe
from gankit.training import run as runs
from gankit.training.run import Run
from tests.training.tiny import recipe


def made(name: str = "tiny", **train: object) -> Recipe:
    return Recipe.load(recipe(name=name, **train))


def test_directories_are_named_after_the_recipe() -> None:
    assert [str(runs.start(made()).path) for _ in range(3)] == ["runs/tiny", "runs/tiny-2", "runs/tiny-3"]


def test_resume_takes_the_newest_of_that_name() -> None:
    for name in ("tiny", "tiny", "tiny-other", "tin"):
        runs.start(made(name))
    for number in range(3, 11):
        runs.start(made())
        assert runs.resume(made()).path == Path(f"runs/tiny-{number}")


def test_resume_without_a_run_begins_one() -> None:
    assert runs.resume(made()).path == Path("runs/tiny")


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert runs.start(made(), tmp_path / "empty").path == tmp_path / "empty"
    with pytest.raises(RecipeError, match=r"exists and is not empty: choose another folder, or .* --resume"):
        runs.start(made(), tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises(RecipeError, match="is not a folder: choose another"):
        runs.start(made(), tmp_path / "file")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    with pytest.raises(RecipeError, match=r"exists and is not empty: choose another folder$"):
        runs.resume(made(), tmp_path / "photos")


def test_a_run_killed_while_it_wrote_its_recipe_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kills, path in enumerate((tmp_path / "first", tmp_path / "second")):
        left, write = [kills], Path.write_bytes

        def killed(self: Path, content: bytes, left: list[int] = left, write: Any = write) -> int:
            if not left[0]:
                write(self, content[:9])
                raise KeyboardInterrupt
            left[0] -= 1
            return write(self, content)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Path, "write_bytes", killed)
            patch.setattr(Path, "unlink", lambda self, missing_ok: None)
            runs.start(made(), path)
        assert any(p.suffix == ".part" for p in path.iterdir())
        run = runs.resume(made(), path)
        assert Recipe.load(run.path / "recipe.yaml") == made()


def test_the_stored_recipe_is_whole() -> None:
    run = runs.start(made(clip_norm=0.5))
    for stored in (run.path / "recipe.yaml", json.loads((run.path / "recipe.json").read_text())):
        assert Recipe.load(stored) == made(clip_norm=0.5)


def test_differences_leave_out_what_may_change() -> None:
    ours = made(steps=9, log_every=1, workers=1, place="device", clip_norm=1.0).filled()
    ours["data"]["cache"] = not ours["data"]["cache"]
    assert list(runs.differences(ours, made().filled())) == [(("train", "clip_norm"), 1.0, None)]


def test_what_came_after_a_step_is_forgotten(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.sample(3).parent.mkdir()
    for step in (3, 4):
        run.sample(step).touch()
    (run.sample(3).parent / "step_000004 (copy).png").touch()
    run.metrics.write_text('{"step": 3}\n{"step": 4}\n{"st')
    run.forget_after(3)
    assert run.metrics.read_text() == '{"step": 3}\n'
    assert {p.name for p in run.sample(3).parent.iterdir()} == {"step_000003.png", "step_000004 (copy).png"}


@pytest.mark.parametrize("content", [b"{", b"[]", b'"demo"', b"\xff", b"[" * 100_000, b'{"name": NaN}'])
def test_a_damaged_recipe_is_told_at_a_resume(tmp_path: Path, content: bytes) -> None:
    run = runs.start(made(), tmp_path / "run")
    run.recipe.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"recipe.json (cannot be read|holds no mapping).*put recipe.json"):
        runs.resume(made(), tmp_path / "run")


def test_damaged_lines_of_the_log_are_dropped_at_a_resume(tmp_path: Path) -> None:
    run = runs.start(made(), tmp_path / "run")
    lines = [
        b'{"step": 1}',
        b'{"step": [1]}',
        b'{"step": 2, "measured": []}',
        b"\xff",
        b"[" * 10**5,
        b'{"step": 3}',
        b'{"s',
    ]
    run.metrics.write_bytes(b"\n".join(lines))
    assert run.measured(2) and not run.measured(3)
    run.forget_after(2)
    assert run.metrics.read_text() == '{"step": 1}\n{"step": 2, "measured": []}\n'


def test_strange_names_are_no_steps(tmp_path: Path) -> None:
    run = runs.start(made(), tmp_path / "run")
    for name in ("samples/step_².png", "checkpoints/step_²", "checkpoints/step_" + "9" * 200):
        (run.path / name).mkdir(parents=True)
    run.forget_after(0)
    assert run.latest() is None


def test_a_picture_that_cannot_be_removed(tmp_path: Path) -> None:
    run = runs.start(made(), tmp_path / "run")
    (run.samples / "step_000009.png").mkdir(parents=True)
    with pytest.raises(GankitError, match=r"step_000009.png: cannot be removed: "):
        run.forget_after(1)


def test_what_a_killed_training_left_goes_at_a_resume(tmp_path: Path) -> None:
    run = runs.start(made(), tmp_path / "run")
    left = [run.checkpoints / ".step_00000009.part", run.samples / ".step_000009.png.999999999.part"]
    for path in left:
        path.mkdir(parents=True)
    (run.path / ".metrics.jsonl.999999999.part").write_text("")
    run.forget_after(0)
    assert not any(path.exists() for path in left) and not list(run.path.glob(".*.part"))
