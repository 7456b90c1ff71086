from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gankit import api
from gankit.training import checkpoint


class Killed(BaseException):
    """Ends a training at once, as no handler would."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a directory of its own; what comes after the training is tested where it is made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "_finish", lambda run, device: None)


@pytest.fixture
def kill_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`kill_after(3)`: the next training dies right after it has saved step 3."""

    def arm(step: int) -> None:
        def save_and_die(folder: Path, stored: Any, *kept: Any) -> Path:
            path = original(folder, stored, *kept)
            if stored.step == step:
                monkeypatch.setattr(checkpoint, "save", original)
                raise Killed
            return path

        original = checkpoint.save
        monkeypatch.setattr(checkpoint, "save", save_and_die)

    return arm
