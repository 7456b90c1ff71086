"""`gankit export --to web`: a folder whose page runs the network; scripts/try_web_export.py runs it in a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from gankit.core.errors import DataError
from gankit.interop import web
from gankit.interop.export import export
from tests.exports import exports
from tests.training import tiny
from tests.web.models import model

onnx = pytest.importorskip("onnx")


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    (tmp_path / "dist").mkdir()
    for name in web.HASHES:
        (tmp_path / "dist" / name).write_text(f"content of {name}")
    return tmp_path / "dist"


@exports
def test_the_folder_has_all_that_it_needs(tmp_path: Path, runtime: Path) -> None:
    made = export(
        model(tiny.MUNIT, **tiny.STYLED), "web", tmp_path / "out", "b2a", licence="cc-by-4.0", runtime=runtime
    )
    names = {str(path.relative_to(made.path)) for path in made.path.rglob("*") if path.is_file()}
    own = {"index.html", "page.js", "about.json", "model.onnx", "README.md"}
    assert names == own | {f"runtime/{name}" for name in web.HASHES}
    about = json.loads((made.path / "about.json").read_text())
    assert [i["name"] for i in about["inputs"]] == [i.name for i in onnx.load(made.path / "model.onnx").graph.input]
    assert about["inputs"][0] == {"name": "source", "kind": "picture", "what": "a picture of 3 channels", "channels": 3}
    assert about["inputs"][1]["size"] == 2 and "b2a" in about["words"]
    for file in about["runtime"].values():
        raw = (made.path / file["url"]).read_bytes()
        assert file["integrity"] == "sha384-" + base64.b64encode(hashlib.sha384(raw).digest()).decode()
    assert "cc-by-4.0" in (made.path / "README.md").read_text()
    page = (made.path / "index.html").read_text() + (made.path / "page.js").read_text()
    assert not re.search(r"https?://", page)  # what is asked for elsewhere stands in about.json alone


def test_without_a_runtime_the_visitor_fetches_a_version_that_is_known(tmp_path: Path) -> None:
    told = web.Runtime().put(tmp_path)
    assert not list(tmp_path.iterdir())
    assert told["script"]["url"] == f"{web.CDN}/{web.SCRIPT}" and told["script"]["integrity"] == web.HASHES[web.SCRIPT]
    assert web.VERSION in web.CDN and all(re.fullmatch(r"sha384-[\w+/]{64}", d) for d in web.HASHES.values())


def test_what_is_refused_leaves_nothing(tmp_path: Path, runtime: Path) -> None:
    run = model()
    (runtime / web.WASM).unlink()
    with pytest.raises(DataError, match=rf"there is no {web.WASM}; `npm pack"):
        export(run, "web", tmp_path / "out", runtime=runtime)
    with pytest.raises(DataError, match="leave it out"):
        export(run, "onnx", tmp_path / "out", runtime=runtime)
    assert not (tmp_path / "out").exists()
