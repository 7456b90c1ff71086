from __future__ import annotations

import json
import math
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from PIL import Image
from torch import Tensor

from gankit.core.errors import DataError, GankitError
from gankit.data.unpaired import Unpaired as UnpairedFolders
from gankit.evaluation.choose import named
from gankit.evaluation.evaluate import evaluate, evaluate_run, weights_sha256
from gankit.evaluation.extract import Extractor
from gankit.evaluation.folders import evaluate_folders
from gankit.evaluation.measure import bootstrap
from gankit.evaluation.metrics import PSNR, SSIM, Metric
from gankit.evaluation.object_metrics import AttentionIoU, BackgroundPSNR, TranslationError
from gankit.evaluation.results import Evaluation
from gankit.methods.base import tensor
from tests.evaluation.fakes import Brighten, Pairs, Scenes, Unpaired, run_of

METRICS = {
    "attention_iou": AttentionIoU(),
    "background_psnr": BackgroundPSNR(),
    "translation_error": TranslationError(),
    "psnr": PSNR(),
    "ssim": SSIM(),
}


def figures(found: Evaluation) -> dict[tuple[str, str], float | None]:
    return {(row.metric, row.direction): row.value for row in found.rows}


def test_scenes_are_measured_against_the_truth_in_both_directions() -> None:
    found = figures(evaluate(Brighten(10), Scenes(), batch_size=2, metrics=METRICS))
    assert len(found) == 10
    for way in ("a2b", "b2a"):
        assert found["attention_iou", way] == 0.5  # attends to half, the object is a quarter
        assert found["background_psnr", way] == pytest.approx(10 * math.log10(255**2 / 10**2))
        assert found["translation_error", way] == pytest.approx(0.5)  # 10 of 20 levels
        assert found["psnr", way] == pytest.approx(10 * math.log10(255**2 / 10**2))  # 10 levels off everywhere


def test_a_method_without_attention_has_no_iou() -> None:
    found = figures(evaluate(Brighten(attends=False), Scenes(), metrics=METRICS))
    assert {metric for metric, _ in found} == {"background_psnr", "translation_error", "psnr", "ssim"}


def test_pairs_of_several_sizes() -> None:
    result = evaluate(Brighten(10), Pairs(), metrics=METRICS)
    assert figures(result) == {
        ("psnr", "a2b"): 100,
        ("psnr", "b2a"): 100,
        ("ssim", "a2b"): pytest.approx(1),
        ("ssim", "b2a"): pytest.approx(1),
    }
    assert {row.protocol["n"] for row in result.rows} == {5}


def test_without_truth_nothing_is_measured() -> None:
    assert evaluate(Brighten(), Unpaired(), metrics=METRICS) == Evaluation()


def test_every_figure_carries_its_protocol() -> None:
    method = Brighten()
    found = evaluate(method, Scenes(), limit=3, metrics={"iou": AttentionIoU(threshold=0.3)}, step=40, ema=True)
    row = json.loads(json.dumps(found.as_dict(), allow_nan=False))["results"][1]
    assert row["protocol"] == {
        "metric": "iou",
        "direction": "b2a",
        "n": 3,
        "pooling": "mean over pictures",
        "threshold": 0.3,
        "split": "test",
        "seed": 5,
        "rounding": "8 bit",
        "weights_sha256": weights_sha256(method)[:12],
        "device": "cpu",
        "precision": "fp32",
        "step": 40,
        "ema": True,
    }
    assert (row["metric"], row["direction"], row["unit"], row["better"]) == ("iou", "b2a", "", "higher")


def test_the_method_is_measured_at_rest_and_left_as_it_was() -> None:
    class Watched(Brighten):
        def translate(self, source, direction="a2b"):
            assert not self.training and not torch.is_grad_enabled()
            return super().translate(source, direction)

    method = Watched().train()
    assert evaluate(method, Scenes(2), metrics=METRICS).rows
    assert method.training


def test_noise_at_test_is_the_same_each_time_and_global_random_numbers_go_on() -> None:
    class Noisy(Brighten):
        @tensor
        def output(self, source):
            return source + torch.rand_like(source)

    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = evaluate(Noisy(), Scenes(2), metrics=METRICS)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    assert evaluate(Noisy(), Scenes(2), metrics=METRICS) == first


def test_an_output_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(GankitError, match="output of a2b holds NaN"):
        evaluate(Brighten(math.nan), Scenes(), metrics=METRICS)


def test_bootstrap_of_known_spread() -> None:
    values = torch.tensor([0.0, 1.0], dtype=torch.float64).repeat(50)[:, None]
    low, high = bootstrap(AttentionIoU(), values) or (None, None)
    assert low is not None and high is not None
    # a mean of 100 coins: 0.5 +- 1.96 * 0.05
    assert low == pytest.approx(0.402, abs=0.02) and high == pytest.approx(0.598, abs=0.02)
    assert bootstrap(AttentionIoU(), values) == (low, high)  # the same each time
    assert bootstrap(AttentionIoU(), values[:1]) is None


def test_bootstrap_of_a_ratio_resamples_whole_pictures() -> None:
    statistics = torch.tensor([[1.0, 2.0], [10.0, 20.0], [3.0, 6.0]], dtype=torch.float64)
    assert bootstrap(TranslationError(), statistics) == (0.5, 0.5)


def test_an_undefined_figure_is_null() -> None:
    class Empty(Scenes):
        def item(self, index, generator):
            item = super().item(index, generator)
            return item | {"mask_a": torch.zeros(1, 16, 16), "truth_a2b": item["a"]}

    found = evaluate(Brighten(), Empty(2), metrics={"translation_error": TranslationError()})
    assert found.rows[0].value is None
    assert found.rows[1].value == pytest.approx(0.5)


def test_the_hash_tells_weights_apart_and_nothing_else() -> None:
    assert weights_sha256(Brighten(10)) == weights_sha256(Brighten(10, attends=False).double().float())
    assert weights_sha256(Brighten(10)) != weights_sha256(Brighten(11))
    assert weights_sha256(Brighten(10)) != weights_sha256(Brighten(10).double())


def test_a_recipe_chooses_metrics_and_pictures(tmp_path: Path) -> None:
    found = evaluate_run(run_of(tmp_path, metrics=[{"type": "background_psnr", "cap": 60}], samples=1))
    assert {row.metric for row in found.rows} == {"background_psnr"}
    assert {(row.protocol["n"], row.protocol["cap"]) for row in found.rows} == {(1, 60)}


# -- sets ------------------------------------------------------------------------------------------------------------
class Noise(Scenes):
    """Sources and targets of two brightnesses; the smaller domain begins again when it is through."""

    def __init__(self, a: int = 4, b: int = 6) -> None:
        super().__init__(max(a, b))
        self.counts = {"a": a, "b": b}

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        del generator
        seeds = {name: torch.Generator().manual_seed(index % count) for name, count in self.counts.items()}
        return {k: torch.rand(3, 24, 24, generator=g) * 0.5 - (0.5 if k == "a" else 0) for k, g in seeds.items()}


def set_metrics() -> dict[str, Metric]:
    return named(["kid-squeezenet-random", "fid-squeezenet-random"])


def test_sets_are_compared_with_the_target_the_source_or_both() -> None:
    found = {}
    for reference in ("target", "source", "mean"):
        rows = evaluate(Brighten(0), Noise(), metrics=set_metrics(), reference=reference, direction="a2b").rows
        found[reference] = {row.metric: row.value for row in rows}
        assert rows[0].protocol["reference"] == reference
    for name in found["mean"]:
        assert found["mean"][name] == pytest.approx((found["target"][name] + found["source"][name]) / 2)
    # the outputs are the sources themselves
    fid = "fid-squeezenet1_1-random"
    assert found["source"][fid] == pytest.approx(0, abs=1e-6) and found["target"][fid] > 0.01


def test_no_picture_counts_twice_in_a_set() -> None:
    for row in evaluate(Brighten(), Noise(4, 6), metrics=set_metrics(), batch_size=4).rows:
        sizes = {"a2b": (4, 6), "b2a": (6, 4)}[row.direction]
        assert (row.protocol["n"], row.protocol["n_reference"]) == sizes


def test_equal_pictures_of_a_folder_all_count_on_either_side(tmp_path: Path) -> None:
    """As with clean-fid; so that a set is no way from itself."""
    for folder in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / folder).mkdir()
        for i in range(5 if folder == "testA" else 3):
            seed = torch.Generator().manual_seed(min(i, 1))
            level = torch.randint(0, 256, (24, 24, 3), generator=seed).byte().numpy()
            Image.fromarray(level).save(tmp_path / folder / f"{i}.png")
    data = UnpairedFolders(root=str(tmp_path), load_size=24, crop_size=24).split("test")
    metrics = named(["fid-squeezenet-random"])
    (row,) = evaluate(Brighten(0), data, metrics=metrics, reference="source", direction="a2b", batch_size=2).rows
    assert (row.protocol["n"], row.protocol["n_reference"], row.protocol["equal_pictures"]) == (5, 5, "all count")
    assert row.value == pytest.approx(0, abs=1e-9)
    assert row.interval is not None and row.interval[0] is not None and row.interval[0] >= 0
    (row,) = evaluate(Brighten(0), data, metrics=metrics, direction="a2b", batch_size=2).rows
    assert (row.protocol["n"], row.protocol["n_reference"]) == (5, 3)
    (row,) = evaluate_folders(tmp_path / "testA", tmp_path / "testA", metrics).rows
    assert (row.value, row.protocol["n"]) == (pytest.approx(0, abs=1e-9), 5)


def test_a_folder_stands_for_the_target_of_one_direction(tmp_path: Path) -> None:
    for i in range(3):
        level = torch.randint(150, 256, (24, 24, 3), generator=torch.Generator().manual_seed(i))
        Image.fromarray(level.byte().numpy()).save(tmp_path / f"{i}.png")
    rows = evaluate(Brighten(), Noise(), metrics=set_metrics(), against=tmp_path).rows
    assert {row.direction for row in rows} == {"a2b"}
    assert rows[0].protocol["n_reference"] == 3 and rows[0].protocol["against"] == str(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="holds no picture"):
        evaluate(Brighten(), Noise(), metrics=set_metrics(), against=tmp_path / "none")
    with pytest.raises(DataError, match="not 'up'"):
        evaluate(Brighten(), Noise(), metrics=set_metrics(), direction="up")


def test_metrics_of_one_network_share_its_features(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    forward = Extractor.__call__
    monkeypatch.setattr(Extractor, "__call__", lambda self, x: calls.append(len(x)) or forward(self, x))
    evaluate(Brighten(), Noise(3, 3), metrics=set_metrics(), direction="a2b", batch_size=3)
    assert calls == [3, 3]  # outputs, targets


def test_pictures_that_a_metric_cannot_take_are_a_row_of_their_own() -> None:
    class Small(Scenes):
        def item(self, index, generator):
            return {name: x[..., :8, :8] for name, x in super().item(index, generator).items()}

    rows = evaluate(Brighten(), Small(2), metrics={"psnr": PSNR(), "ssim": SSIM()}, direction="a2b").rows
    assert rows[0].value is not None and "at least 11 x 11" in rows[1].unavailable


def test_a_metric_may_have_several_rows_and_take_any_tensor_of_the_method() -> None:
    class Halves(Metric):
        def statistics(self, attention_twice: Tensor) -> Tensor:
            return attention_twice.flatten(1).mean(1, keepdim=True).double()

        def rows(self, statistics: Tensor) -> list[tuple[str, Tensor]]:
            return [("", statistics), ("first", statistics[:1])]

    class More(Brighten):
        @tensor
        def attention_twice(self, attention: Tensor) -> Tensor:
            return 2 * attention

    rows = evaluate(More(), Unpaired(3), metrics={"m": Halves()}, direction="a2b").rows
    assert [(row.label, row.value, row.protocol["n"]) for row in rows] == [("", 1, 3), ("first", 1, 1)]


def test_a_recipe_chooses_networks_and_the_reference(tmp_path: Path) -> None:
    random = {"type": "squeezenet", "weights": "random"}
    metrics = [{"type": "kid", "features": random, "side": 64}, {"type": "kid", "features": random}]
    run = run_of(tmp_path, metrics=metrics, reference="source")
    run.dataset = lambda split: Noise()
    rows = evaluate_run(run).rows
    assert {row.metric for row in rows} == {"kid-squeezenet1_1-random", "kid-squeezenet1_1-random#2"}
    assert {(row.protocol["side"], row.protocol["reference"]) for row in rows} == {
        (64, "source"),
        (224, "source"),
    }


class Coloured(Scenes):
    """Scenes with fields of each side and of none, whose files hold -100 to 155 in units of their own."""

    class Codec:
        low, high, stored, words = -100.0, 155.0, torch.float32, "drawn"

    codecs: ClassVar = {"b": Codec()}

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        more = {"patient_a": torch.tensor(index), "patient_b": torch.tensor(-1), "site": torch.tensor(7)}
        return super().item(index, generator) | more


class Seen(Metric):
    """What was given: the number of the side, of neither, and the brightest value of the output."""

    def statistics(self, output: Tensor, patient: Tensor, site: Tensor) -> Tensor:
        return torch.stack([patient.double(), site.double(), self.values(output).flatten(1).amax(1)], 1)

    def rows(self, statistics: Tensor) -> list[tuple[str, Tensor]]:
        return [(str(i), statistics[:, i : i + 1]) for i in range(3)]


def test_a_metric_asks_for_fields_of_the_data_and_measures_in_units_of_the_files() -> None:
    rows = evaluate(Brighten(10), Coloured(), metrics={"seen": Seen()}, limit=3).rows
    found = {(row.direction, row.label): row.value for row in rows}
    assert [found["a2b", label] for label in "012"] == [1, 7, pytest.approx(10)]  # level 110 of 255 is 10 units
    assert [found["b2a", label] for label in "012"] == [-1, 7, pytest.approx(90)]  # a has no codec: levels
