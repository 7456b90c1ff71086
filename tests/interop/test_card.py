"""A model card is what a recipe says, never what it would be as Markdown or YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gankit.core.recipe import Recipe
from gankit.interop.card import model_card
from tests.interop.test_export import model_of

EVIL = "# x\n---\n<script>alert(1)</script> [a](javascript:b) `c` | *d* ![e](f) &lt; $g$"
SAFE = r"\# x --- \<script\>alert(1)\</script\> \[a\](javascript:b) \`c\` \| \*d\* \!\[e\](f) \&lt; \$g\$"


@pytest.fixture
def card(tmp_path: Path) -> str:
    model = model_of("lbam", tmp_path)
    about = {"title": EVIL, "notes": "- " + EVIL, "arxiv": "1) [x](y"}
    data = model.recipe.filled()["data"] | {"root": "a`b``c"}
    model.recipe = Recipe.load(model.recipe.filled() | {"about": about, "data": data})
    row = {"metric": "a|b", "direction": "a2b\n", "value": 1.0, "unit": "<b>", "protocol": {"k|": "v\n| x"}}
    return model_card(model, [row], "mit\nevil: 'yes' # \"x")


def test_the_header_is_yaml_of_its_own_keys(card: str) -> None:
    header = yaml.safe_load(card.split("---\n")[1])
    assert list(header) == ["license", "library_name", "pipeline_tag", "tags"]
    assert header["license"] == "mit evil: 'yes' # \"x"


def test_texts_are_escaped(card: str) -> None:
    lines = card.splitlines()
    paper = r"([arXiv 1\) \[x\](y](https://arxiv.org/abs/1%29%20%5Bx%5D%28y))"
    assert any(line.startswith(f"{SAFE} {paper}") for line in lines)
    assert rf"\- {SAFE}" in lines
    assert r"| a\|b | a2b | 1 \<b\> | k\| v \| x |" in lines


def test_code_ends_where_it_should(card: str) -> None:
    line = next(line for line in card.splitlines() if "a`b``c" in line)
    assert line.startswith("``` {") and line.endswith("} ```")
