"""The page of `gankit demo`, by Gradio. It asks for nothing outside of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before it is imported, which is when it calls home

import gradio as gr
from gradio.themes import Default
from PIL import Image
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gankit.core.errors import DataError, GankitError
from gankit.fields import Label
from gankit.web.station import Station
from gankit.web.trying import Wish, directions_of, fills_holes, hole_of, kinds_of, results

HOME = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' data: blob:"
"""Content-Security-Policy: whatever a version of Gradio refers to elsewhere, browsers do not fetch it."""
USUAL, RANDOM, LIKE = "usual", "random, by the seed", "that of a picture"
SIDES = (64, 2048)
QUEUE = 16
THEME = Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
CSS = "footer{display:none !important}"


class StayHome:
    """ASGI middleware that adds the policy to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", HOME.encode())]
            await send(message)

        await self.app(scope, receive, answer)


class Form:
    """What the page asks, and what follows from the answers. To be made within a `gr.Blocks`."""

    def __init__(self, stations: Mapping[str, Station]) -> None:
        self.stations = stations
        first, *_ = every = list(stations.values())
        self.kinds = kinds_of(every)
        painting, ways = fills_holes(first), directions_of([first])
        self.runs = gr.CheckboxGroup(list(stations), value=[first.name], label="Runs", elem_id="runs")
        # What shows and hides is around the two: of a part that is changed itself Gradio makes a new one of its class,
        # without what `_in_words` has put into it.
        with gr.Column(visible=not painting) as self.dropped:
            self.picture = gr.Image(
                label="Picture",
                type="filepath",
                image_mode=None,
                sources=["upload", "clipboard"],
                elem_id="picture",
                height=320,
            )
        with gr.Column(visible=painting) as self.painted_on:
            self.editor = gr.ImageEditor(
                label="Paint over the hole", type="pil", format="png", transforms=(), layers=False, elem_id="editor",
                sources=["upload", "clipboard"], brush=gr.Brush(colors=["#d0551b"], color_mode="fixed"),
            )  # fmt: skip
        self.direction = gr.Radio(ways, value=ways[0], label="Direction", elem_id="direction")
        self.side = gr.Slider(*SIDES, value=512, step=8, label="Longest side, in pixels", elem_id="side")
        with gr.Group(visible=first.styled) as self.styles:
            self.style = gr.Radio([USUAL, RANDOM, LIKE], value=USUAL, label="Style", elem_id="style")
            self.seed = gr.Slider(0, 1000, value=0, step=1, label="Seed of the random style", elem_id="seed")
            self.example = gr.Image(label="Picture whose style it is", type="filepath", image_mode=None, height=160)
        self.inputs = {name: _input(name, kind, name in kinds_of([first])) for name, kind in self.kinds.items()}
        for part in (self.picture, self.example):
            _in_words(part, _path_of)
        _in_words(self.editor, self.editor.preprocess)

    @property
    def changing(self) -> list[Any]:
        """What differs from run to run: what `chosen` answers for."""
        return [self.dropped, self.painted_on, self.direction, self.styles, *self.inputs.values()]

    def chosen(self, names: Sequence[str]) -> list[Any]:
        """What the page shows for these runs."""
        now = [self.stations[name] for name in names or ()]
        ways = directions_of(now) or [""]
        holes = any(map(fills_holes, now))
        return [
            gr.update(visible=not holes),
            gr.update(visible=holes),
            gr.update(choices=ways, value=ways[0]),
            gr.update(visible=any(station.styled for station in now)),
            *(gr.update(visible=name in kinds_of(now)) for name in self.kinds),
        ]

    @property
    def asked(self) -> list[Any]:
        """What `translate` takes."""
        return [
            self.runs, self.picture, self.editor, self.direction, self.side, self.style, self.seed, self.example,
            *self.inputs.values(),
        ]  # fmt: skip

    def translate(
        self, names: Sequence[str], plain: str | DataError | None, painted: Any, way: str, most: float, kind: str,
        number: float, like: str | DataError | None, *more: Any,
    ) -> Any:  # fmt: skip
        """The captioned pictures; where that fails, a message, and the gallery as it was."""
        now = [self.stations[name] for name in names or ()]
        try:
            picture, mask = _painted(painted) if any(map(fills_holes, now)) else (_path(plain), None)
            wish = Wish(
                picture,
                mask,
                direction=way,
                given={name: "" if value is None else str(value) for name, value in zip(self.kinds, more, strict=True)},
                side=int(most),
                seed=int(number) if kind == RANDOM else None,
                style_image=_path(like) if kind == LIKE else None,
            )
            return results(now, wish)
        except GankitError as e:
            # Not gr.Error: Gradio 6.31 writes the level above a message, "Error" or "Warning", whatever its title is.
            gr.Warning(escape(str(e), quote=False), duration=None, title="This did not work")
            return gr.skip()


def make_page(stations: Mapping[str, Station]) -> gr.Blocks:
    """The page that translates by these runs. Raises GankitError for a run whose pictures browsers do not show."""
    for name, station in stations.items():
        if not station.eight_bits:
            raise GankitError(f"{name}: browsers show pictures of 8 bits; use `gankit translate` or `gankit serve`")
    with gr.Blocks(title="gankit", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.Markdown("## gankit\nDrop a picture, choose runs, and look at what they make of it.")
        with gr.Row():
            with gr.Column(scale=1):
                form = Form(stations)
                button = gr.Button("Translate", variant="primary", elem_id="translate")
            with gr.Column(scale=2):
                gallery = gr.Gallery(
                    label="Results", columns=2, format="png", elem_id="results", height="auto", object_fit="contain"
                )
        form.runs.change(form.chosen, form.runs, form.changing, show_progress="hidden", api_visibility="private")
        button.click(form.translate, form.asked, gallery, api_visibility="private")
    return page.queue(max_size=QUEUE, default_concurrency_limit=1)


def _in_words(part: Any, preprocess: Callable[[Any], Any]) -> None:
    """Let a part of the page give a DataError for what is no picture, where Gradio shows a bare "Error"."""

    def read(payload: Any) -> Any:
        try:
            return preprocess(payload)
        except Exception:  # PIL raises many kinds
            return DataError("this is not a picture that can be read, or it is damaged")

    part.preprocess = read


def _path_of(payload: Any) -> str | None:
    """Where an upload lies; whether it is a picture is found out by those who read it, in words."""
    return None if payload is None else payload.path


def _input(name: str, kind: Any, visible: bool) -> Any:
    """What asks for a value of a kind."""
    if isinstance(kind, Label):
        return gr.Dropdown([str(i) for i in range(kind.classes)], value="0", label=name, visible=visible)
    if kind.spatial:
        return gr.File(label=f"{name}: {kind.words}", type="filepath", visible=visible)
    return gr.Textbox(label=f"{name}: {kind.words}, separated by commas", visible=visible)


def _path(upload: str | DataError | None) -> Path | None:
    if isinstance(upload, DataError):
        raise upload
    return Path(upload) if upload else None


def _painted(upload: Any) -> tuple[Image.Image, Image.Image | None]:
    """The picture, and what is painted over it as a mask. Raises DataError."""
    if isinstance(upload, DataError):
        raise upload
    background = (upload or {}).get("background")
    if background is None:
        raise DataError("drop a picture first")
    return background, hole_of(upload.get("layers") or (), background.size)


def launch(page: gr.Blocks, host: str, port: int, most: int) -> str:
    """Serve the page in the background, and return its address. most: bytes of a file that is dropped.

    Raises DataError where the port is in use.
    """
    try:
        _, local, _ = page.launch(
            server_name=host,
            server_port=port,
            max_file_size=most,
            quiet=True,
            inbrowser=False,
            share=False,
            prevent_thread_lock=True,
            ssr_mode=False,
            pwa=False,
            enable_monitoring=False,
            run_history=False,
            footer_links=[],
            theme=THEME,
            css=CSS,
            app_kwargs={"middleware": [Middleware(StayHome)]},
        )
    except OSError as e:
        raise DataError(f"--port {port} is in use: name another one") from e
    return local
