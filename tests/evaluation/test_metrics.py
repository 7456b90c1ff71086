"""Each metric against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gankit.evaluation.metrics import PSNR, SSIM, levels, true_objects
from gankit.evaluation.object_metrics import AttentionIoU, BackgroundPSNR, TranslationError


def picture(*values: float) -> Tensor:
    """(1, 1, 1, len) of levels 0..255, as a picture in [-1, 1]."""
    return torch.tensor(values, dtype=torch.float64).div(127.5).sub(1).view(1, 1, 1, -1)


def test_levels_round_as_an_8_bit_file_and_clip() -> None:
    assert levels(torch.tensor([-1.0, 1.0, 0.0, -3.0, 3.0, 0.7 / 127.5])).tolist() == [0, 255, 128, 0, 255, 128]


def test_psnr_is_the_mean_of_the_pictures_own() -> None:
    output = torch.cat([picture(10, 10), picture(0, 0)])
    truth = torch.cat([picture(11, 9), picture(10, 0)])  # mean squared errors 1 and 50
    by_hand = (10 * math.log10(255**2 / 1) + 10 * math.log10(255**2 / 50)) / 2
    assert PSNR()(output, truth) == pytest.approx(by_hand, abs=1e-12)


def test_psnr_of_equal_pictures_is_the_cap() -> None:
    assert PSNR()(picture(7, 9), picture(7, 9)) == 100
    assert PSNR(cap=60)(picture(7, 9), picture(7.2, 9)) == 60  # equal once rounded


def test_ssim_of_flat_pictures() -> None:
    output, truth = picture(100).expand(1, 3, 11, 11), picture(150).expand(1, 3, 11, 11)
    c1 = 2.55**2
    assert SSIM()(output, truth) == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1), abs=1e-9)
    assert SSIM()(output, output) == pytest.approx(1, abs=1e-9)


def test_ssim_of_one_window_written_out() -> None:
    x, y = np.random.default_rng(0).integers(0, 256, (2, 11, 11)).astype(float)
    side = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weight = np.outer(side, side) / side.sum() ** 2
    mx, my = (weight * x).sum(), (weight * y).sum()
    vx, vy = (weight * (x - mx) ** 2).sum(), (weight * (y - my) ** 2).sum()
    c = (weight * (x - mx) * (y - my)).sum()
    c1, c2 = 2.55**2, 7.65**2
    by_hand = (2 * mx * my + c1) * (2 * c + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    as_picture = [torch.from_numpy(p)[None, None] / 127.5 - 1 for p in (x, y)]
    assert SSIM()(*as_picture) == pytest.approx(by_hand, abs=1e-9)


def test_ssim_refuses_small_pictures() -> None:
    with pytest.raises(ValueError, match="at least 11 x 11 px, these have 12 x 10"):
        SSIM()(torch.zeros(1, 3, 10, 12), torch.zeros(1, 3, 10, 12))


def test_psnr_and_ssim_equal_torchmetrics() -> None:
    image = pytest.importorskip("torchmetrics.functional.image")
    output, truth = torch.rand(2, 4, 3, 40, 29, generator=torch.Generator().manual_seed(0)).mul(2).sub(1)
    truth = (truth + 3 * output) / 4
    ours, true = levels(output), levels(truth)
    ssim = image.structural_similarity_index_measure(ours, true, data_range=255.0, return_full_image=True)[1]
    whole_windows = ssim[..., 5:-5, 5:-5].flatten(1).mean(1)
    psnr = image.peak_signal_noise_ratio(ours, true, data_range=255.0, reduction="none", dim=(1, 2, 3))
    assert SSIM().statistics(output, truth)[:, 0].tolist() == pytest.approx(whole_windows.tolist(), abs=1e-8)
    assert PSNR().statistics(output, truth)[:, 0].tolist() == pytest.approx(
        psnr.tolist(), abs=1e-5
    )  # it takes logarithms in float32


def test_attention_iou_cuts_the_map_and_averages_pictures() -> None:
    attention = torch.tensor([[0.9, 0.6, 0.5, 0.1], [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]).view(3, 1, 2, 2)
    mask = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]).view(3, 1, 2, 2)
    assert AttentionIoU().statistics(attention, mask)[:, 0].tolist() == [1 / 3, 1, 0]
    assert AttentionIoU()(attention, mask) == pytest.approx(4 / 9)
    assert AttentionIoU(threshold=0.4).statistics(attention, mask)[0].item() == pytest.approx(2 / 3)


def test_background_psnr_pools_pixels_outside_the_objects() -> None:
    source = torch.cat([picture(10, 10, 10), picture(20, 20, 20)]).expand(2, 3, 1, 3)
    output = torch.cat([picture(200, 13, 10), picture(90, 90, 20)]).expand(2, 3, 1, 3)
    mask = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]).view(2, 1, 1, 3)
    # background errors 3, 0 and 0: a mean square of 9 / 3
    assert BackgroundPSNR()(output, source, mask) == pytest.approx(10 * math.log10(255**2 / 3), abs=1e-12)
    assert BackgroundPSNR()(source, source, mask) == 100


def test_translation_error_is_relative_to_returning_the_input_and_pooled() -> None:
    source = torch.cat([picture(0, 50), picture(100, 50)])
    truth = torch.cat([picture(40, 50), picture(160, 70)])
    output = torch.cat([picture(30, 99), picture(150, 75)])
    mask = torch.tensor([[1.0, 0.0], [1.0, 1.0]]).view(2, 1, 1, 2)
    # |output - truth| = 10, 10, 5; |source - truth| = 40, 60, 20
    assert TranslationError()(output, source, truth, mask) == pytest.approx(25 / 120, abs=1e-12)
    assert TranslationError()(source, source, truth, mask) == 1
    assert TranslationError()(truth, source, truth, mask) == 0


def test_objects_join_the_mask_and_what_must_change() -> None:
    mask = torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 1, 3)
    assert true_objects(mask, picture(5, 5, 5), picture(5, 5.4, 9)).flatten().tolist() == [1, 0, 1]


def test_a_metric_names_what_it_needs() -> None:
    assert AttentionIoU().needs() == ("attention", "mask")
    assert TranslationError().needs() == ("output", "source", "truth", "objects")
    assert AttentionIoU(threshold=0.3).protocol() == {"pooling": "mean over pictures", "threshold": 0.3}
