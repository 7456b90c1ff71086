from __future__ import annotations

import json

import pytest

from gankit.evaluation.results import Evaluation, Figure

PSNR = Figure("psnr", "a2b", 20.5, (19.0, 22.0), "dB", "higher", {"n": 8})
BACK = Figure("psnr", "b2a", 21.5, None, "dB", "higher", {"n": 1})
HOLE = Figure("psnr", "b2a", 11.5, None, "dB", "higher", {"n": 1}, label="hole (0.2, 0.3]")
KID = Figure("kid", "a2b", 3.5, None, "(x100)", "lower", {"n": 8}, more={"std": 0.5}, warning="few")
LOST = Figure("fid", "", None, None, "", "lower", unavailable="no weights")
FOUND = Evaluation((PSNR, BACK, HOLE, KID, LOST))


def test_a_figure_is_asked_for_by_metric_and_direction() -> None:
    assert FOUND["kid"] is KID and FOUND["psnr", "a2b"] is PSNR and FOUND["fid"] is LOST
    assert FOUND["psnr", "b2a"] is BACK  # that of all pictures
    assert list(FOUND) == [PSNR, BACK, HOLE, KID, LOST] and len(FOUND) == 5
    assert Evaluation((PSNR,)) + Evaluation((KID,)) == Evaluation((PSNR, KID))


@pytest.mark.parametrize(
    ("which", "says"),
    [
        ("psnr", "psnr has several directions: a2b, b2a; choose one"),
        ("ssim", "there is no ssim; there are: psnr a2b, psnr b2a, kid a2b, fid"),
        (("kid", "b2a"), "there is no kid b2a"),
    ],
)
def test_what_is_not_there_or_not_clear_is_told(which: str, says: str) -> None:
    with pytest.raises(KeyError, match=says):
        FOUND[which]
    with pytest.raises(KeyError, match="there are: none"):
        Evaluation()["psnr"]


def test_rows_are_kept_as_json_without_what_is_empty() -> None:
    first, _, third, fourth, last = json.loads(json.dumps(FOUND.as_dict()))["results"]
    assert first == {
        "metric": "psnr",
        "direction": "a2b",
        "value": 20.5,
        "interval": [19.0, 22.0],
        "unit": "dB",
        "better": "higher",
        "protocol": {"n": 8},
    }
    assert third["label"] == "hole (0.2, 0.3]" and fourth["std"] == 0.5 and fourth["warning"] == "few"
    assert last["value"] is None and last["protocol"] == {} and last["unavailable"] == "no weights"


def test_a_figure_does_not_change() -> None:
    with pytest.raises(AttributeError):
        PSNR.value = 30.0  # pyright: ignore[reportAttributeAccessIssue]
    assert len({PSNR, BACK, HOLE, KID, LOST}) == 5
