"""The page itself, as far as that goes without a browser; scripts/try_demo.py has one."""

from __future__ import annotations

import pytest

gradio = pytest.importorskip("gradio")

from gradio.data_classes import FileData  # noqa: E402

from gankit.web.page import make_page  # noqa: E402
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
    with pytest.raises(gradio.Error, match="not a picture that can be read"):
        named["editor"].preprocess("no payload")
    assert named["picture"].preprocess(None) is None
    for name in ("picture", "editor"):  # Gradio makes a part anew of its class when it is shown or hidden
        again = type(named[name])(**named[name].constructor_args, render=False)
        assert type(again).preprocess is not getattr(gradio, "Image" if name == "picture" else "ImageEditor").preprocess
        assert (
            again.get_block_name()
            == named[name].get_block_name()
            == {"picture": "image", "editor": "imageeditor"}[name]
        )
    assert named["picture"].visible and not named["editor"].visible
