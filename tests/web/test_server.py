"""The HTTP API: pictures in, pictures out, and a sentence for whatever does not fit."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from httpx import Response
from jsonschema.validators import Draft202012Validator
from PIL import Image
from typer.testing import CliRunner

import gankit
from gankit.cli.main import app
from gankit.cli.serve import listen
from gankit.core.catalogue import catalogue
from gankit.core.errors import DataError
from gankit.web.server import make_app
from gankit.web.station import Limits, Station, stations
from tests.test_conditioned_run import MAPPED, PARTS
from tests.training import tiny
from tests.web.models import conditioned, inpainting, model, of, opened, png

LIMITS = Limits(bytes=200_000, pixels=10_000)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    for (kind, name), part in PARTS.items():
        gankit.register(kind, name)(part)
    models = [
        model(tiny.AGIT, "agit"),
        inpainting(),
        conditioned(),
        conditioned(MAPPED, "mapped"),
        model(tiny.MUNIT, "munit", **tiny.STYLED),
    ]
    with TestClient(make_app(stations(models, LIMITS), LIMITS)) as client:
        yield client
    catalogue.cache_clear()


def post(client: TestClient, run: str = "agit", **fields: Any) -> Response:
    """Send files of bytes, and other values as text."""
    files = {name: ("x.png", v) if isinstance(v, bytes) else (None, str(v)) for name, v in fields.items()}
    return client.post(f"/models/{run}/translate", files=files)


def picture(answer: Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return opened(answer.content)


def refusal(answer: Response, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    text = answer.json()["error"]
    assert list(answer.json()) == ["error"] and "Traceback" not in text and "/tmp" not in text
    return text


def test_a_picture_comes_back_as_gankit_translates_it(client: TestClient) -> None:
    sent = png(21, 13)
    back = picture(post(client, picture=sent, direction="b2a"))
    expected = model(tiny.AGIT).translate(Image.open(io.BytesIO(sent)), "b2a")
    assert back.size == (21, 13) and np.array_equal(np.asarray(back), np.asarray(expected))
    first = client.post("/translate", files={"picture": png(21, 13)})
    assert picture(first).tobytes() == picture(post(client, picture=sent, direction="a2b")).tobytes() != back.tobytes()


def test_the_attention_and_a_smaller_side(client: TestClient) -> None:
    heat = picture(post(client, picture=png(40, 20), output="attention", side=16))
    assert heat.mode == "L" and heat.size == (16, 8)
    assert "no attention map" in refusal(post(client, "munit", picture=png(), output="attention"))


def test_holes_are_filled(client: TestClient) -> None:
    mask = Image.new("L", (20, 12))
    mask.paste(255, (5, 3, 9, 8))
    out = io.BytesIO()
    mask.save(out, "PNG")
    sent = png()
    filled = np.asarray(picture(post(client, "holes", picture=sent, mask=out.getvalue())))
    changed = (filled != np.asarray(opened(sent))).any(-1)
    assert changed.any() and not changed[np.asarray(mask) == 0].any()
    assert "`mask` is missing" in refusal(post(client, "holes", picture=sent))
    assert "make them equal" in refusal(post(client, "holes", picture=png(24), mask=out.getvalue()))
    clear = opened(sent).convert("RGBA")
    clear.putalpha(Image.fromarray(255 - np.asarray(mask)))
    out = io.BytesIO()
    clear.save(out, "PNG")
    assert picture(post(client, "holes", picture=out.getvalue(), side=10)).size == (10, 6)


def test_labels_numbers_maps_and_styles(client: TestClient) -> None:
    classes = Image.fromarray(np.arange(240, dtype=np.uint8).reshape(12, 20) % 4)
    out = io.BytesIO()
    classes.save(out, "PNG")
    assert picture(post(client, "mapped", picture=png(), segmentation=out.getvalue(), side=10)).size == (10, 6)
    assert "send a file" in refusal(post(client, "mapped", picture=png(), segmentation="x"))
    assert "grey value" in refusal(post(client, "mapped", picture=png(), segmentation=png()))
    given = {"pose": "0.1,0.2"}
    two, three = (picture(post(client, "painter", picture=png(), label=label, **given)) for label in (2, 3))
    assert two.tobytes() != three.tobytes()
    assert "0 to 4" in refusal(post(client, "painter", picture=png(), label=9, **given))
    assert "`label` is missing" in refusal(post(client, "painter", picture=png(), **given))
    assert "send text" in refusal(post(client, "painter", picture=png(), label=png(), **given))
    assert "did you mean `label`" in refusal(post(client, "painter", picture=png(), lable=2, **given))
    assert "2 numbers" in refusal(post(client, "painter", picture=png(), label=2, pose="1"))
    one = picture(post(client, "munit", picture=png(), seed=1))
    assert one.tobytes() != picture(post(client, "munit", picture=png(), style_image=png(16, 16))).tobytes()
    assert "not both" in refusal(post(client, "munit", picture=png(), seed=1, style_image=png()))
    assert "no styles" in refusal(post(client, picture=png(), seed=1))
    assert "whole number" in refusal(post(client, "munit", picture=png(), seed="-1"))


def bomb(side: int = 50_000) -> bytes:
    """A PNG whose header says 2500 megapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"other": 1}, 400, "there is no `picture`"),
        ({"picture": "words"}, 400, "`picture` is text"),
        ({"picture": b""}, 400, "`picture` is empty"),
        ({"picture": b"not a picture at all"}, 400, "not a picture that can be read"),
        ({"picture": png(90, 90)[:-60]}, 400, "damaged or cut off"),
        ({"picture": b"%!PS-Adobe-3.0 EPSF-3.0\n"}, 400, "not a picture that can be read"),
        ({"picture": bomb()}, 400, "megapixels"),
        ({"picture": png(200, 100)}, 413, "at most 0.01 megapixels"),
        ({"picture": b"x" * 300_000}, 413, "0.2 MB"),
        ({"picture": png(), "direction": "up"}, 400, "a2b, b2a"),
        ({"picture": png(), "mask": png()}, 400, "no use for `mask`"),
        ({"picture": png(), "output": "both"}, 400, "picture or attention"),
        ({"picture": png(), "side": "wide"}, 400, "whole number"),
        ({"picture": png(), "side": 3}, 400, "from 4 on"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(
    client: TestClient, fields: dict[str, Any], status: int, words: str
) -> None:
    assert words in refusal(post(client, **fields), status)
    assert client.get("/health").json()["taken"] == 0


def test_what_is_no_form(client: TestClient) -> None:
    assert "multipart/form-data" in refusal(client.post("/translate", json={"picture": "x"}), 415)
    assert "multipart/form-data" in refusal(client.post("/translate", content=png()), 415)
    headers = {"content-type": "multipart/form-data"}
    assert "cannot be read" in refusal(client.post("/translate", content=b"x", headers=headers), 400)
    twice = [("picture", ("a.png", png())), ("picture", ("b.png", png()))]
    assert "sent twice" in refusal(client.post("/translate", files=twice))
    assert "/health" in refusal(client.get("/models/none"), 404)
    assert "send POST" in refusal(client.get("/translate"), 405)

    def chunks() -> Iterator[bytes]:  # of no length that is known before
        yield b'--b\r\nContent-Disposition: form-data; name="picture"; filename="x"\r\n\r\n'
        yield from (b"x" * 50_000 for _ in range(6))

    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert "0.2 MB" in refusal(client.post("/translate", content=chunks(), headers=headers), 413)


def test_beyond_the_queue_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = threading.Event(), threading.Event()
    real = Station.translate

    def slow(self: Station, *args: Any, **kwargs: Any) -> Any:
        begun.set()
        assert go.wait(30)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Station, "translate", slow)
    with TestClient(make_app(stations([model()]), running=1, waiting=0)) as client:
        answers: list[Response] = []
        first = threading.Thread(target=lambda: answers.append(post(client, "run", picture=png())))
        first.start()
        assert begun.wait(30)
        full = post(client, "run", picture=png())
        assert "try again" in refusal(full, 503) and full.headers["retry-after"] == "1"
        assert client.get("/health").json()["taken"] == 1
        go.set()
        first.join()
        assert picture(answers[0]) and picture(post(client, "run", picture=png()))


def test_a_failure_of_ours_is_told_without_its_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(Station, "translate", broken)
    with TestClient(make_app(stations([model()])), raise_server_exceptions=False) as client:
        text = refusal(post(client, "run", picture=png()), 500)
        assert "RuntimeError" in text and "secret" not in text
        assert client.get("/health").json()["taken"] == 0


def test_what_it_says_of_itself(client: TestClient) -> None:
    assert client.get("/health").json()["status"] == "ok"
    told = {one["name"]: one for one in client.get("/models").json()}
    assert list(told) == ["agit", "holes", "painter", "mapped", "munit"]
    assert told["painter"]["directions"]["a2b"]["given"]["label"] == {
        "what": "a whole number from 0 to 4",
        "required": True,
        "file": False,
    }
    assert not told["holes"]["directions"]["a2b"]["given"]["mask"]["required"] and told["munit"]["styles"]
    api = client.get("/openapi.json").json()
    form = api["paths"]["/models/painter/translate"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    Draft202012Validator.check_schema(form)
    assert form["required"] == ["label", "picture", "pose"]
    assert form["properties"]["label"]["maximum"] == 4
    assert client.get("/docs").status_code == 404  # it would fetch scripts from elsewhere


def test_another_name_of_the_host_is_refused() -> None:
    with TestClient(make_app(stations([model()]), hosts=("127.0.0.1", "localhost"))) as client:
        assert client.get("/health", headers={"host": "127.0.0.1:8000"}).status_code == 200
        assert client.get("/health", headers={"host": "rebound.example.org"}).status_code == 400


def test_runs_of_one_name_are_told_apart() -> None:
    assert list(stations([model(), model(), model(name="a b")])) == ["run", "run-2", "a-b"]


def test_deep_pictures_keep_their_depth() -> None:
    tifffile = pytest.importorskip("tifffile")
    codec = {"type": "tiff", "low": 0, "high": 4095, "dtype": "uint16"}
    method = tiny.CYCLEGAN | {"channels_a": 1, "channels_b": 1}
    data = {
        "type": "unpaired",
        "root": "none",
        "codec": codec,
        "channels_a": 1,
        "channels_b": 1,
        "load_size": 16,
        "crop_size": 16,
    }
    deep = Station("scan", of({**tiny.recipe(method), "data": data}, "scan"))
    out = io.BytesIO()
    tifffile.imwrite(out, np.full((12, 16), 2000, np.uint16))
    answer = deep.translate(out.getvalue(), filename="scan.TIF")
    back = tifffile.imread(io.BytesIO(answer.picture))
    assert answer.media == "image/tiff" and back.dtype == np.uint16 and back.shape == (12, 16)
    with pytest.raises(DataError, match=r"of files ending in .tif, .tiff"):
        deep.translate(png())
    with pytest.raises(DataError, match="not resized"):
        deep.translate(out.getvalue(), filename="scan.tif", side=8)


def test_the_command_refuses_before_it_listens(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["serve", str(tmp_path)])
    assert result.exit_code == 2 and "not a run directory" in result.stderr
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DataError, match="--port 0"):
            listen("127.0.0.1", port)
    with pytest.raises(DataError, match="--host"):
        listen("999.1.1.1", 0)
