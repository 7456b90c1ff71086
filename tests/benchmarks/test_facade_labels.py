"""Labels by the nearest colour, and how many are right."""

from __future__ import annotations

import torch

from benchmarks.facade_labels import COLOURS, labels, scores


def test_each_colour_is_its_own_label() -> None:
    picture = COLOURS.T.reshape(1, 3, 3, 4)
    assert torch.equal(labels(picture), torch.arange(12).view(1, 3, 4))
    assert torch.equal(labels(picture * 0.96), labels(picture))


def test_scores_by_hand() -> None:
    truth = torch.tensor([[[0, 0], [0, 5]]])
    assert scores(truth, truth) == (1, 1)
    right, overlap = scores(torch.zeros_like(truth), truth)
    assert right == 0.75 and overlap == (0.75 + 0) / 2
