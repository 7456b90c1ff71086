"""docs/plugins.md names every check and every hook."""

from __future__ import annotations

import re
from pathlib import Path

from gankit.core.plugins import Hooks
from gankit.testing import CHECKS

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")


def test_every_check_has_a_row():
    rows = re.findall(
        r"^\| (`\w+`(?:, `\w+`)*) \|", PAGE.partition("## Checking it")[2].partition("\n## ")[0], re.MULTILINE
    )
    assert {name for row in rows for name in re.findall(r"\w+", row)} == set(CHECKS)


def test_every_hook_has_a_row():
    hooks = {name for name in vars(Hooks) if name.startswith("gankit_")}
    assert set(re.findall(r"^\| `(gankit_\w+)\(", PAGE, re.MULTILINE)) == hooks
