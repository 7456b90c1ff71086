"""Random compositions of all that is registered: each is built and steps, or is refused with its place before anything
runs. More of them: `python -m tests.compositions 450`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from tests.compositions import Sampler, verdict

SEEDS = range(30)


@pytest.mark.filterwarnings("ignore")
def test_each_steps_or_is_refused_with_its_place(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), "teal").save(picture := tmp_path / "style.png")
    found: Counter[str] = Counter()
    for seed in SEEDS:
        drawn = Sampler(seed, str(picture)).recipe()
        what, why = verdict(drawn)
        assert what != "neither", f"seed {seed}: {why}\n{json.dumps(drawn)}"
        found[what] += 1
    assert found["steps"] >= len(SEEDS) / 2, "the draw should lean to what fits: most compositions are refused"
    assert found["refused"] >= len(SEEDS) / 10, "the draw should have misfits too"
