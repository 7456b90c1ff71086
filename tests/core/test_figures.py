from __future__ import annotations

import pytest

from gankit.core.figures import called, tracked


@pytest.mark.parametrize(
    ("row", "name", "in_trackers"),
    [
        ({"metric": "psnr"}, "psnr", "psnr"),
        ({"metric": "psnr", "label": ""}, "psnr", "psnr"),
        ({"metric": "hole_psnr", "label": "hole (0.2, 0.3]"}, "hole_psnr hole (0.2, 0.3]", "hole_psnr hole_0.2_0.3"),
        ({"metric": "ct/mae", "label": "best curve"}, "ct/mae best curve", "ct/mae best_curve"),
    ],
)
def test_rows_of_one_metric_have_names_of_their_own(row: dict, name: str, in_trackers: str) -> None:
    assert called(row) == name and tracked(row) == in_trackers
