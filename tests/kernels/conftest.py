"""Each form of the kernels: on a GPU where there is one, else Triton's in its interpreter (see tests/conftest.py)."""

from __future__ import annotations

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(params=["torch", "triton"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test with each form of the kernels."""
    force(monkeypatch, request.param)
    return request.param


def force(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    from gankit.kernels import choose

    if form == "triton":
        pytest.importorskip("triton")
        from gankit.kernels import normalize_triton

        monkeypatch.setattr(normalize_triton, "PROGRAMS", 6)  # a few chunks of pixels for each channel
    monkeypatch.setattr(choose, "FORCED", form)
