"""The page itself, as far as that goes without a browser; scripts/try_demo.py has one."""

from __future__ import annotations

import pytest

gradio = pytest.importorskip("gradio")

from gradio.data_classes import FileData  # noqa: E402

from gankit.core.errors import DataError  # noqa: E402
from gankit.web.page import Form, make_page  # noqa: E402
from gankit.web.station import stations  # noqa: E402
from tests.training import tiny  # noqa: E402
from tests.web.models import inpainting, model  # noqa: E402


def test_the_page_has_what_its_runs_need_and_tells_nobody() -> None:
    models = [model(tiny.AGIT, "agit"), inpainting(), model(tiny.MUNIT, "munit", **tiny.STYLED)]
    page = make_page(stations(models))
    assert page.analytics_enabled is False
    named = {part.elem_id: part for part in page.blocks.values() if getattr(part, "elem_id", None)}
    assert {"runs", "picture", "editor", "direction", "side", "style", "seed", "results"} <= set(named)
    assert named["runs"].choices == [(name, name) for name in ("agit", "holes", "munit")]
    assert (
        named["picture"].preprocess(FileData(path="no picture")) == "no picture"
    )  # not opened, which would not be told
    refused = named["editor"].preprocess("no payload")
    assert isinstance(refused, DataError) and "not a picture that can be read" in str(refused)
    assert named["picture"].preprocess(None) is None
    (shown,) = [call.outputs for call in page.fns.values() if call.fn is not None and call.fn.__name__ == "chosen"]
    assert named["direction"] in shown  # Gradio makes a part that is changed anew, as one that shows a bare "Error"
    assert named["picture"] not in shown and named["editor"] not in shown
    assert named["picture"].parent.visible and not named["editor"].parent.visible


def test_what_goes_wrong_is_told_under_a_title_and_keeps_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(gradio, "Warning", lambda text, *, duration, title: told.append((title, text)))
    with gradio.Blocks():
        form = Form(stations([model(tiny.AGIT, "agit"), inpainting()]))

    def press(runs: list[str], picture: object, painted: object = None) -> None:
        answer = form.translate(runs, picture, painted, "a2b", 64, "usual", 0, None)  # type: ignore[arg-type]
        assert answer == gradio.skip()

    press([], None)
    press(["agit"], None)
    press(["agit"], DataError("no <picture>"))
    press(["holes"], None)
    press(["holes"], None, DataError("damaged"))
    assert {title for title, _ in told} == {"This did not work"}
    assert [text for _, text in told] == [
        "choose a run first", "drop a picture first", "no &lt;picture&gt;", "drop a picture first", "damaged"
    ]  # fmt: skip
