"""The page of `gankit demo`, by Gradio. It asks for nothing outside of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
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


def make_page(stations: Mapping[str, Station]) -> gr.Blocks:
    """The page that translates by these runs. Raises GankitError for a run whose pictures browsers do not show."""
    for name, station in stations.items():
        if not station.eight_bits:
            raise GankitError(f"{name}: browsers show pictures of 8 bits; use `gankit translate` or `gankit serve`")
    every = list(stations.values())
    kinds = kinds_of(every)
    first = every[:1]
    with gr.Blocks(title="gankit", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.Markdown("## gankit\nDrop a picture, choose runs, and look at what they make of it.")
        with gr.Row():
            with gr.Column(scale=1):
                runs = gr.CheckboxGroup(list(stations), value=[every[0].name], label="Runs", elem_id="runs")
                # What shows and hides is around the two: of a part that is changed itself Gradio makes a new one of its
                # class, without what `_in_words` has put into it.
                with gr.Column(visible=not fills_holes(every[0])) as dropped:
                    picture = gr.Image(
                        label="Picture", type="filepath", image_mode=None, sources=["upload", "clipboard"],
                        elem_id="picture", height=320,
                    )  # fmt: skip
                with gr.Column(visible=fills_holes(every[0])) as painted_on:
                    editor = gr.ImageEditor(
                        label="Paint over the hole", type="pil", format="png", transforms=(),
                        sources=["upload", "clipboard"], layers=False, elem_id="editor",
                        brush=gr.Brush(colors=["#d0551b"], color_mode="fixed"),
                    )  # fmt: skip
                ways = directions_of(first)
                direction = gr.Radio(ways, value=ways[0], label="Direction", elem_id="direction")
                side = gr.Slider(*SIDES, value=512, step=8, label="Longest side, in pixels", elem_id="side")
                with gr.Group(visible=first[0].styled) as styles:
                    style = gr.Radio([USUAL, RANDOM, LIKE], value=USUAL, label="Style", elem_id="style")
                    seed = gr.Slider(0, 1000, value=0, step=1, label="Seed of the random style", elem_id="seed")
                    example = gr.Image(label="Picture whose style it is", type="filepath", image_mode=None, height=160)
                inputs = {name: _input(name, kind, name in kinds_of(first)) for name, kind in kinds.items()}
                button = gr.Button("Translate", variant="primary", elem_id="translate")
            with gr.Column(scale=2):
                gallery = gr.Gallery(
                    label="Results", columns=2, format="png", elem_id="results", height="auto", object_fit="contain"
                )

        def chosen(names: Sequence[str]) -> list[Any]:
            """What the page shows for these runs."""
            now = [stations[name] for name in names or ()]
            ways = directions_of(now) or [""]
            holes = any(map(fills_holes, now))
            return [
                gr.update(visible=not holes),
                gr.update(visible=holes),
                gr.update(choices=ways, value=ways[0]),
                gr.update(visible=any(station.styled for station in now)),
                *(gr.update(visible=name in kinds_of(now)) for name in kinds),
            ]

        def translate(
            names: Sequence[str], plain: str | None, painted: Any, way: str, most: float, kind: str, number: float,
            like: str | None, *more: Any,
        ) -> list[tuple[Image.Image, str]]:  # fmt: skip
            now = [stations[name] for name in names or ()]
            wish = Wish(
                direction=way,
                given={name: "" if value is None else str(value) for name, value in zip(kinds, more, strict=True)},
                side=int(most),
                seed=int(number) if kind == RANDOM else None,
                style_image=Path(like) if kind == LIKE and like else None,
                **_source(plain, painted if any(map(fills_holes, now)) else None),
            )
            try:
                return results(now, wish)
            except GankitError as e:
                raise gr.Error(str(e), duration=None, title="This did not work", print_exception=False) from e

        _in_words(picture, _path_of)
        _in_words(example, _path_of)
        _in_words(editor, editor.preprocess)
        parts = [dropped, painted_on, direction, styles, *inputs.values()]
        runs.change(chosen, runs, parts, show_progress="hidden", api_visibility="private")
        asked = [runs, picture, editor, direction, side, style, seed, example, *inputs.values()]
        button.click(translate, asked, gallery, api_visibility="private")
    return page.queue(max_size=QUEUE, default_concurrency_limit=1)


def _in_words(part: Any, preprocess: Callable[[Any], Any]) -> None:
    """Let a part of the page refuse what is no picture with a sentence, where Gradio shows a bare "Error"."""

    def read(payload: Any) -> Any:
        try:
            return preprocess(payload)
        except Exception as e:  # PIL raises many kinds
            text = "this is not a picture that can be read, or it is damaged"
            raise gr.Error(text, title="This did not work", print_exception=False) from e

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


def _source(plain: str | None, painted: Any) -> dict[str, Any]:
    """The picture, and what is painted over it."""
    if painted is None:
        return {"picture": Path(plain) if plain else None}
    background = painted.get("background")
    if background is None:
        raise gr.Error("drop a picture first", title="This did not work", print_exception=False)
    return {"picture": background, "mask": hole_of(painted.get("layers") or (), background.size)}


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
