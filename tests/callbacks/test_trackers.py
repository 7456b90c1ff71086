"""The trackers that ship, each with its real library, without a network."""

from __future__ import annotations

import importlib.util
import json
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gankit.callbacks.base import Callback, Event
from gankit.core.catalogue import catalogue
from gankit.core.errors import RecipeError
from gankit.core.registry import BUILTIN
from gankit.core.schema import build_component, spec_of
from gankit.testing import check_component
from gankit.training.assemble import assemble
from tests.training.tiny import recipe

LIBRARIES = ("wandb", "mlflow", "trackio")


def needs(library: str) -> Any:
    missing = importlib.util.find_spec(library) is None
    return pytest.mark.skipif(missing, reason=f"{library} is not installed: pip install 'gankit[{library}]'")


def made(name: str, **arguments: Any) -> Callback:
    return build_component(spec_of(catalogue().find("callback", name)).model_validate({"type": name, **arguments}))


def play(folder: Path, tracker: Callback, first: int = 0, outcome: str = "done") -> dict[str, Any]:
    """Two lines, a grid and an evaluation, as a training tells them; the state at the end."""
    folder.mkdir(exist_ok=True)

    def event(name: str, step: int, **facts: Any) -> Event:
        return Event(name, folder, {"name": "tiny", "train": {"seed": 3}}, step=step, total=9, **facts)

    tracker.begin(event("begin", first))
    for step in (first + 1, first + 2):
        losses = {"generator/cycle/a2b": step / 2}
        tracker.log(event("log", step, losses=losses, rates={"generator": 0.25}, speed=4.0))
    tracker.sample(event("sample", first + 2, picture=Image.new("RGB", (6, 4), (200, 100, 50))))
    results = [{"metric": "psnr", "direction": "a2b", "value": 20.5}, {"metric": "kid", "direction": "a2b"}]
    tracker.evaluated(event("evaluated", first + 2, results=results))
    state = tracker.state_dict()
    assert json.loads(json.dumps(state)) == state
    tracker.end(event("end", first + 2, outcome=outcome))
    return state


def resumed(folder: Path, make: Callable[[], Callback], **options: Any) -> None:
    """A training of two steps, then another that goes on from its state."""
    state = play(folder, make())
    other = make()
    other.load_state_dict(state)
    assert play(folder, other, first=2, **options) == state


CURVES = {
    "losses/generator/cycle/a2b": [0.5, 1.0, 1.5, 2.0],
    "lr/generator": [0.25] * 4,
    "images_per_second": [4.0] * 4,
}
FIGURES = {"evaluation/psnr/a2b": [20.5, 20.5]}


def test_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    resumed(tmp_path / "run", lambda: made("tensorboard"))
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert set(board.Tags()["scalars"]) == {*CURVES, *FIGURES}
    for name, values in {**CURVES, **FIGURES}.items():
        assert [one.value for one in board.Scalars(name)] == pytest.approx(values)
    assert [one.step for one in board.Scalars("lr/generator")] == [1, 2, 3, 4]
    pictures = board.Images("samples")
    assert [(one.step, one.width, one.height) for one in pictures] == [(2, 6, 4), (4, 6, 4)]


def test_tensorboard_drops_what_a_killed_training_wrote_after_its_checkpoint(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    play(tmp_path / "run", made("tensorboard"), first=2)
    play(tmp_path / "run", made("tensorboard"), first=3)
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [one.step for one in board.Scalars("lr/generator")] == [3, 4, 5]


def wandb_records(raw: bytes) -> Iterator[bytes]:
    """The records of a `.wandb` file, which is a log of LevelDB with a head of 7 bytes: blocks of 32 KiB, pieces with
    checksum, length, and which piece of a record they are: 1 all, 2 first, 3 middle, 4 last."""
    assert raw[:4] == b":W&B"
    at, record = 7, b""
    while at + 7 <= len(raw):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, length, piece = struct.unpack_from("<IHB", raw, at)
        record += raw[at + 7 : at + 7 + length]
        at += 7 + length
        if piece in (1, 4):
            yield record
            record = b""


@needs("wandb")
def test_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wandb.proto.wandb_internal_pb2 import Record

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    resumed(tmp_path / "run", lambda: made("wandb", project="tests"), outcome="interrupted")
    folders = sorted((tmp_path / "run" / "wandb").glob("offline-run-*"))
    names = {folder.name.rsplit("-", 1)[1] for folder in folders}
    assert len(names) == 1  # one run, to which `wandb sync` sends both
    rows: list[dict[str, Any]] = []
    exits, config = [], {}
    for file in sorted((tmp_path / "run" / "wandb").glob("offline-run-*/run-*.wandb")):
        for data in wandb_records(file.read_bytes()):
            record = Record()
            record.ParseFromString(data)
            kind = record.WhichOneof("record_type")
            if kind == "history":
                rows.append({"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item})
            elif kind == "exit":
                exits.append(record.exit.exit_code)
            elif kind == "run":
                assert (record.run.project, record.run.display_name) == ("tests", "run")
                config |= {i.key: json.loads(i.value_json) for i in record.run.config.update}
    for name, values in {**CURVES, **FIGURES}.items():
        assert [row[name] for row in rows if name in row] == values
    assert [row["step"] for row in rows if "lr/generator" in row] == [1, 2, 3, 4]
    assert [row["samples/width"] for row in rows if "samples/width" in row] == [6, 6]
    assert exits == [0, 1] and config["train"] == {"seed": 3}
    check_component("callback", "wandb", overrides={"project": "tests"})


@needs("mlflow")
@needs("sqlalchemy")
def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    resumed(tmp_path / "run", lambda: made("mlflow", experiment="tests", tracking_uri=uri), outcome="failed")
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("tests")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("run", "FAILED")
    for name, values in {**CURVES, **FIGURES}.items():
        history = client.get_metric_history(run.info.run_id, name)
        assert [one.value for one in sorted(history, key=lambda one: one.step)] == values
    assert len([f for f in client.list_artifacts(run.info.run_id, "images") if f.path.endswith(".png")]) == 2
    stored = client.download_artifacts(run.info.run_id, "recipe.json", str(tmp_path))
    assert json.loads(Path(stored).read_text())["train"] == {"seed": 3}
    check_component("callback", "mlflow", overrides={"tracking_uri": uri})


@needs("trackio")
def test_trackio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    for name in [name for name in sys.modules if name.split(".")[0] == "trackio"]:
        monkeypatch.delitem(sys.modules, name)  # it reads its folder when it is imported
    resumed(tmp_path / "run", lambda: made("trackio", project="tests"))
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    (run,) = trackio.Api().runs("tests")
    assert run.name.startswith("run-") and run.config["train"] == {"seed": 3}
    rows = SQLiteStorage.get_logs("tests", run.name)
    for name, values in {**CURVES, **FIGURES}.items():
        assert [row[name] for row in rows if name in row] == values
    assert [row["step"] for row in rows if "lr/generator" in row] == [1, 2, 3, 4]
    assert len([row for row in rows if "samples" in row]) == 2
    check_component("callback", "trackio")


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_missing_library_is_refused_at_its_place_with_the_command(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gankit.callbacks.library.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=rf"needs {library}.*pip install 'gankit\[{library}\]'") as error:
        assemble(recipe(callbacks=["tensorboard", library]))
    assert error.value.problems[0].path == "train.callbacks.1"


@pytest.fixture(autouse=True)
def only_what_ships(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GANKIT_PLUGINS", "")
    catalogue.cache_clear()
    assert all(entry.source == BUILTIN for entry in catalogue().entries("callback"))
    yield
    catalogue.cache_clear()
