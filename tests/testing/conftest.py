from __future__ import annotations

import pytest

from gankit.core.registry import Registry
from gankit.testing import check_component


@pytest.fixture
def kit(monkeypatch: pytest.MonkeyPatch):
    """Checks a class that is registered for this test alone."""

    def check(kind: str, make: type, **options):
        row = (kind, "tested", f"{make.__module__}:{make.__qualname__}", "")
        monkeypatch.setattr("gankit.testing.subject.catalogue", lambda: Registry([row]))
        return check_component(kind, "tested", **options)

    return check
