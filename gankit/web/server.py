"""The HTTP API of `gankit serve`: POST a picture, get a picture."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import Message, Receive

from gankit import __version__
from gankit.core.errors import DataError, GankitError, printable, short
from gankit.fields import Label, Vector
from gankit.web.station import Answer, Limits, Station, TooLarge

log = logging.getLogger(__name__)
UPLOAD_SECONDS = 60
"""A picture that is not here by then is not waited for: it holds a place in the queue."""
OWN = ("picture", "direction", "seed", "style_image", "side", "output")
FIELDS = 40
LONGEST = 100_000
"""Bytes of a text."""
LOOPBACK = ("127.0.0.1", "localhost")


class Refused(Exception):
    """An answer that is no picture: a status and a sentence."""

    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text


class Gate:
    """Lets `running` requests compute and as many as `waiting` more wait; refuses the others at once.

    A request takes its place before its picture is read, so that memory is bounded too.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self.places = running + waiting
        self.taken = 0
        self._compute = asyncio.Semaphore(running)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        if self.taken >= self.places:
            raise Refused(503, f"{self.places} pictures are being translated or wait already: try again in a moment")
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    @asynccontextmanager
    async def compute(self) -> AsyncIterator[None]:
        async with self._compute:
            yield


def make_app(
    stations: Mapping[str, Station],
    limits: Limits = Limits(),
    running: int = 1,
    waiting: int = 8,
    hosts: tuple[str, ...] | None = None,
) -> FastAPI:
    """The application, for any ASGI server. stations: by name; the first one answers at /translate too.

    hosts: names by which it may be called, against pages that reach for it under a name of their own; None: any.
    """
    app = FastAPI(
        title="gankit", version=__version__, docs_url=None, redoc_url=None, summary="Pictures through trained runs."
    )
    if hosts is not None:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    gate = Gate(running, waiting)

    @app.get("/health", summary="Whether it answers, and how busy it is.")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "gankit": __version__, "taken": gate.taken, "places": gate.places}

    @app.get("/models", summary="The runs: what each takes, by direction.")
    async def models() -> list[dict[str, Any]]:
        return [station.about() for station in stations.values()]

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        more = {"Retry-After": "1"} if error.status == 503 else None
        return JSONResponse({"error": printable(short(error.text, 1000))}, error.status, more)

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> JSONResponse:
        known = ", ".join(f"/models/{name}/translate" for name in stations)
        allowed = (error.headers or {}).get("Allow", "another method")
        text = {
            404: f"there is nothing here; there are /health, /models, /openapi.json, /translate, {known}",
            405: f"{request.url.path} does not take {request.method}: send {allowed}",
        }
        return JSONResponse({"error": text.get(error.status_code, str(error.detail))}, error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse(
            {"error": f"the translation failed ({type(error).__name__}); the server's log has more"}, 500
        )

    for name, station in stations.items():
        _add(app, f"/models/{name}/translate", station, gate, limits)
    _add(app, "/translate", next(iter(stations.values())), gate, limits)
    return app


def _add(app: FastAPI, path: str, station: Station, gate: Gate, limits: Limits) -> None:
    """The route that translates by a run."""

    async def translate(request: Request) -> Response:
        async with gate.place():
            form = await _form(request, limits.bytes)
            try:
                wanted = await _wanted(station, form)
                async with gate.compute():
                    answer = await run_in_threadpool(_answer, station, wanted)
            finally:
                await form.close()
        if wanted["attention"]:
            return Response(answer.attention, media_type="image/png")
        return Response(answer.picture, media_type=answer.media)

    app.post(
        path,
        summary=f"Translate a picture by {station.name}.",
        response_class=Response,
        responses=_responses(),
        openapi_extra={
            "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema(station)}}}
        },
    )(translate)


def _answer(station: Station, wanted: dict[str, Any]) -> Answer:
    try:
        answer = station.translate(**wanted)
    except TooLarge as e:
        raise Refused(413, str(e)) from e
    except DataError as e:
        raise Refused(400, str(e)) from e
    except GankitError as e:
        log.exception("a translation failed")
        raise Refused(500, str(e)) from e
    if wanted["attention"] and answer.attention is None:
        raise Refused(400, "this run has no attention map: leave `output` out")
    return answer


async def _form(request: Request, most: int) -> FormData:
    """The form, of so many bytes at most."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Refused(
            415, "send a form (multipart/form-data) with the file `picture`, as `curl -F picture=@photo.jpg` does"
        )
    text = f"more than the {most / 1e6:g} MB that are taken: make the picture smaller"
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise Refused(413, text)
    bounded = Request(request.scope, _bounded(request.receive, most, text))
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            return await bounded.form(max_files=FIELDS, max_fields=FIELDS, max_part_size=LONGEST)
    except TimeoutError:
        raise Refused(408, f"the picture did not arrive within {UPLOAD_SECONDS} seconds") from None
    except HTTPException as e:
        raise Refused(400, f"the form cannot be read: {str(e.detail).rstrip('.')}") from e


def _bounded(receive: Receive, most: int, text: str) -> Receive:
    """What reads a request, and stops at so many bytes."""
    count = 0

    async def read() -> Message:
        nonlocal count
        message = await receive()
        count += len(message.get("body", b""))
        if count > most:
            raise Refused(413, text)
        return message

    return read


async def _wanted(station: Station, form: FormData) -> dict[str, Any]:
    """A form as the arguments of `Station.translate`."""
    values: dict[str, str | UploadFile] = {}
    for name, value in form.multi_items():
        if name in values:
            raise Refused(400, f"`{printable(name)}` is sent twice")
        values[name] = value
    picture = values.get("picture")
    if picture is None:
        raise Refused(400, "there is no `picture` in the form: send a file of that name")
    if isinstance(picture, str):
        raise Refused(400, "`picture` is text: send a file, as `curl -F picture=@photo.jpg` does")
    example = values.get("style_image")
    if isinstance(example, str):
        raise Refused(400, "`style_image` is text: send a file")
    output = _text(values, "output") or "picture"
    if output not in ("picture", "attention"):
        raise Refused(400, f"`output` is picture or attention, not '{output}'")
    given = {name: await _value(value) for name, value in values.items() if name not in OWN}
    return {
        "picture": await picture.read(),
        "filename": picture.filename or "",
        "direction": _text(values, "direction"),
        "given": given,
        "seed": _whole(values, "seed"),
        "side": _whole(values, "side"),
        "style_image": None if example is None else await example.read(),
        "attention": output == "attention",
    }


async def _value(value: str | UploadFile) -> str | bytes:
    return value if isinstance(value, str) else await value.read()


def _text(values: Mapping[str, str | UploadFile], name: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise Refused(400, f"`{name}` is a file: send text")
    return value.strip()


def _whole(values: Mapping[str, str | UploadFile], name: str) -> int | None:
    text = _text(values, name)
    if text and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Refused(400, f"`{name}` is a whole number, not '{short(text, 70)}'")
    return int(text) if text else None


def schema(station: Station) -> dict[str, Any]:
    """The JSON Schema of the form that a run takes, over all its directions."""
    file = {"type": "string", "format": "binary"}
    properties: dict[str, Any] = {
        "picture": file | {"description": "The picture to translate."},
        "direction": {"type": "string", "enum": list(station.directions), "default": station.directions[0]},
        "output": {"type": "string", "enum": ["picture", "attention"], "default": "picture"},
    }
    if station.eight_bits:
        about = "Shrink the picture first, so that no side is longer."
        properties["side"] = {"type": "integer", "minimum": 4, "description": about}
    if station.styled:
        properties["seed"] = {"type": "integer", "minimum": 0, "description": "Of a random style."}
        properties["style_image"] = file | {"description": "Translate in the style of this picture."}
    required = {"picture"}
    for direction in station.directions:
        for name, kind in station.wanted(direction).items():
            shape: dict[str, Any] = {"type": "string"}
            if kind.spatial:
                shape = file
            elif isinstance(kind, Label):
                shape = {"type": "integer", "minimum": 0, "maximum": kind.classes - 1}
            separated = ", separated by commas" if isinstance(kind, Vector) else ""
            properties[name] = shape | {"description": f"{kind.words}{separated}"}
    for name in properties.keys() - set(OWN):
        if all(not station.optional(name, direction) for direction in station.directions):
            required.add(name)
    return {"type": "object", "properties": properties, "required": sorted(required), "additionalProperties": False}


def _responses() -> dict[int | str, dict[str, Any]]:
    error = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    texts = {
        400: "Something that was sent does not fit; the sentence says what.",
        408: "The picture did not arrive in time.",
        413: "Too many bytes or pixels.",
        415: "What was sent is no form.",
        500: "The translation failed.",
        503: "Too many pictures wait already.",
    }
    answers: dict[int | str, dict[str, Any]] = {
        code: {"description": text, "content": {"application/json": {"schema": error}}} for code, text in texts.items()
    }
    answers[200] = {
        "description": "The picture.",
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
    }
    return answers
