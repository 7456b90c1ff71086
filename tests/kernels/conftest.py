"""Each form of the kernels: on a GPU where there is one, else Triton's in its interpreter (see tests/conftest.py)."""

from __future__ import annotations

from functools import cache

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@cache
def interpreter_fails() -> str:
    """Why Triton's interpreter runs nothing here, as Triton 3.6 with numpy 2.5; empty where it does, and on a GPU.

    A kernel with what every kernel has, and nothing of ours: what fails in it is not our fault.
    """
    if DEVICE == "cuda":
        return ""
    import numpy
    import triton
    import triton.language as tl

    @triton.jit
    def doubled(x, y, n, BLOCK: tl.constexpr):
        for start in range(tl.program_id(0) * BLOCK, n, BLOCK):
            places = start + tl.arange(0, BLOCK)
            tl.store(y + places, 2 * tl.load(x + places, mask=places < n), mask=places < n)

    x, y = torch.ones(6), torch.zeros(6)
    try:
        doubled[(1,)](x, y, 6, BLOCK=4)
    except Exception as error:
        return f"the interpreter of Triton {triton.__version__} fails with numpy {numpy.__version__}: {error}"
    return "" if torch.equal(y, 2 * x) else f"the interpreter of Triton {triton.__version__} computes wrong numbers"


@pytest.fixture(params=["torch", "triton"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test with each form of the kernels."""
    force(monkeypatch, request.param)
    return request.param


def force(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    from gankit.kernels import choose

    if form == "triton":
        pytest.importorskip("triton")
        if why := interpreter_fails():
            pytest.skip(why)
        from gankit.kernels import normalize_triton

        monkeypatch.setattr(normalize_triton, "PROGRAMS", 6)  # a few chunks of pixels for each channel
    monkeypatch.setattr(choose, "FORCED", form)
