"""The drawn patients, volumes of files, and the metrics in their units."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gankit.core.errors import DataError
from gankit.evaluation.evaluate import evaluate
from gankit.fields import Picture
from tests.evaluation.fakes import Brighten

WINDOW: dict[str, Any] = {"low": -200, "high": 400, "units": "HU", "outside": "clip"}
SMALL = {"size": 32, "depth": 3, "train": 2, "val": 1, "test": 2}


@pytest.fixture
def phantom() -> Any:
    from gankit_medical.nifti import Nifti
    from gankit_medical.phantom import Phantom

    return lambda slices=1, **options: Phantom(codec=Nifti(slices=slices, **WINDOW), **SMALL | options)


# -- the drawing -----------------------------------------------------------------------------------------------------
def test_contrast_medium_changes_vessels_and_nothing_else() -> None:
    from gankit_medical.drawing import ENHANCEMENT, draw_body

    body = draw_body(np.random.default_rng(3), 64, 4, 6)
    change = body.contrast.astype(int) - body.plain
    far = ~np.isin(change, (0, ENHANCEMENT))
    assert change.min() == 0 and change.max() == ENHANCEMENT
    assert change[body.vessels].min() >= ENHANCEMENT / 2 - 1 and change[~body.vessels].max() <= ENHANCEMENT / 2 + 1
    assert (far & ~body.inside).sum() == 0 and 0.01 < body.vessels.mean() < 0.06 and body.inside.mean() > 0.35
    bright = (body.plain > 200) & ~body.vessels  # bones, which no threshold tells from vessels
    assert bright.mean() > 0.005


def test_a_window_without_air_and_bones_clips_or_is_refused() -> None:
    from gankit_medical.nifti import Nifti
    from gankit_medical.phantom import Phantom

    for low, high in ((-200, 700), (-1100, 400)):
        Phantom(codec=Nifti(low=low, high=high, outside="clip"), **SMALL).item(0)
        with pytest.raises(ValueError, match="leaves out air and bones, -1000 and 600 HU"):
            Phantom(codec=Nifti(low=low, high=high), **SMALL)


def test_no_threshold_finds_vessels_without_contrast_medium(phantom: Any) -> None:
    from gankit_medical.metrics import VesselMAE

    data = phantom(size=64, test=4).split("test")
    rows = figures(VesselMAE(), data, "a", lambda item: item["a"])
    assert rows[""] > 150 and rows["outside"] < 2
    for answer in ("best constant", "best curve"):
        assert rows[answer] > 60 or rows[f"{answer}, outside"] > 20


def test_items_follow_from_seed_split_and_number(phantom: Any) -> None:
    data = phantom()
    assert len(data) == 6 and len(data.split("test")) == 6 and len(data.split("val")) == 3
    assert all(torch.equal(x, phantom().item(4)[name]) for name, x in data.item(4).items())
    others = [phantom(seed=1).item(4), data.split("test").item(4), data.split("val").item(1), data.item(3)]
    assert all(not torch.equal(other["a"], data.item(4)["a"]) for other in others)
    assert data.item(4)["volume_a"] == 1 and set(data.fields) == set(data.item(0))
    with pytest.raises(ValueError, match="needs a window"):
        from gankit_medical.nifti import Nifti
        from gankit_medical.phantom import Phantom

        Phantom(codec=Nifti())


def test_pictures_of_several_slices(phantom: Any) -> None:
    one, three = phantom(), phantom(slices=3)
    assert three.item(0)["a"].shape == (3, 32, 32) and three.item(0)["mask_a"].shape == (1, 32, 32)
    for name in ("a", "b", "truth_a2b", "truth_b2a"):
        assert torch.equal(three.item(4)[name], torch.cat([one.item(i)[name] for i in (3, 4, 5)]))
        assert torch.equal(three.item(3)[name][0], three.item(3)[name][1])  # no slice before the first


def test_pairs_are_of_one_patient(phantom: Any) -> None:
    item = phantom(paired=True).item(2)
    assert torch.equal(item["b"], item["truth_a2b"]) and torch.equal(item["truth_b2a"], item["a"])
    assert torch.equal(item["mask_a"], item["mask_b"])


# -- metrics ---------------------------------------------------------------------------------------------------------
def figures(metric: Any, data: Any, side: str, output: Any) -> dict[str, float]:
    """Row -> figure of a made-up method."""
    way = {"a": "a2b", "b": "b2a"}[side]
    names = {"source": side, "truth": f"truth_{way}", "mask": f"mask_{side}"}
    names |= {"body": f"body_{side}", "volume": f"volume_{side}"}
    items = [data.item(i) for i in range(len(data))]
    given = {name: torch.stack([item[field] for item in items]) for name, field in names.items()}
    given["output"] = torch.stack([output(item) for item in items])
    metric.codec = data.codecs["b"]
    statistics = metric.statistics(*(given[name] for name in metric.needs()))
    return {label: float(metric.summarise(rows)) for label, rows in metric.rows(statistics)}


def test_errors_are_in_hu_within_the_body_and_means_over_volumes(phantom: Any) -> None:
    from gankit_medical.metrics import BodyMAE, BodyPSNR

    data = phantom(paired=True, noise=0)
    items = [data.item(i) for i in range(len(data))]
    wrong = lambda item: torch.where(item["body_a"] > 0, item["truth_a2b"] + 2 * 30 / 600, torch.ones(1))  # noqa: E731
    clipped = [(item["truth_a2b"] > 1 - 2 * 30 / 600) & (item["body_a"] > 0) for item in items]
    assert 25 < figures(BodyMAE(), data, "a", wrong)[""] <= 30 + 1e-6 and torch.stack(clipped).float().mean() < 0.1
    shift = lambda item: item["truth_a2b"].clamp(max=0.5) - 0 * item["a"]  # noqa: E731
    assert figures(BodyPSNR(), data, "a", lambda item: item["truth_a2b"])[""] == 100
    each = []
    for volume in range(2):
        mine = [x for x in items if x["volume_a"] == volume]
        error = torch.cat([(shift(x) - x["truth_a2b"]).abs()[x["body_a"] > 0] for x in mine]) * 300
        each.append(float(error.mean()))
    assert figures(BodyMAE(), data, "a", shift)[""] == pytest.approx(sum(each) / 2, rel=1e-5)


def test_errors_have_the_units_of_the_files() -> None:
    from gankit_medical.metrics import BodyMAE, VesselMAE
    from gankit_medical.nifti import Nifti

    for metric in (BodyMAE(), VesselMAE()):
        assert metric.unit == ""
        for units in ("HU", "counts"):
            metric.codec = Nifti(low=0, high=1, units=units)
            assert metric.unit == units


def test_ssim_is_gankits_where_the_body_is_all() -> None:
    from gankit_medical.metrics import BodySSIM

    from gankit.evaluation.metrics import SSIM

    torch.manual_seed(0)
    truth, output = (torch.rand(2, 1, 20, 24) * 2 - 1 for _ in range(2))
    body, reference = torch.ones(2, 1, 20, 24), SSIM()
    reference.rounded = False
    ours = BodySSIM().statistics(output, truth, body, torch.arange(2))
    torch.testing.assert_close(ours[:, 0] / ours[:, 1], reference.statistics(output, truth)[:, 0])
    body[:, :, :, :10] = 0
    assert not torch.equal(BodySSIM().statistics(output, truth, body, torch.arange(2))[:, 1], ours[:, 1])
    with pytest.raises(ValueError, match="at least 11"):
        BodySSIM().statistics(output[..., :8], truth[..., :8], body[..., :8], torch.arange(2))


def test_the_trivial_answers_are_the_best_of_their_kind(phantom: Any) -> None:
    from gankit_medical.metrics import VesselMAE

    data, step = phantom(noise=3), 600 / 40
    rows = figures(VesselMAE(), data, "a", lambda item: item["truth_a2b"])
    assert rows[""] == 0 and rows["outside"] == 0
    best = rows["best constant"] + rows["best constant, outside"]
    assert rows["best curve"] + rows["best curve, outside"] <= best + 1e-9
    for threshold in (-95, -50, 10, 30, 50):
        for constant in (0, 90, 195):
            added = lambda item, t=threshold, c=constant: torch.where(  # noqa: E731
                item["a"] * 300 + 100 >= t, item["a"] + c / 300, item["a"]
            )
            answer = figures(VesselMAE(), data, "a", added)
            assert answer[""] + answer["outside"] > best - step


def test_a_volume_without_body_does_not_count() -> None:
    from gankit_medical.metrics import per_volume

    statistics = torch.tensor([[1.0, 2, 7], [3, 2, 7], [0, 0, 5], [8, 4, 9]], dtype=torch.float64)
    assert per_volume(statistics).tolist() == [[4, 4], [8, 4]]


# -- volumes of files ------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module", params=["nifti", "dicom"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    from gankit_medical.drawn_files import write_patients

    home = tmp_path_factory.mktemp(request.param)
    write_patients(home, request.param, 9, 24, 3, 0, 6)
    return request.param, home


def volumes(kind: str, home: Path, slices: int = 1, **options: Any) -> Any:
    from gankit_medical.dicom import Dicom
    from gankit_medical.nifti import Nifti
    from gankit_medical.volumes import Volumes

    codec = {"nifti": Nifti, "dicom": Dicom}[kind](slices=slices, **WINDOW)
    folder = str(home.parent / "cache")
    return Volumes(
        **{"codec": codec, "root": str(home), "crop": 16, "cache_folder": folder, "val": 0.2, "test": 0.3} | options
    )


def test_slices_of_files_are_those_that_were_drawn(files: Any) -> None:
    from gankit_medical.drawing import draw_body

    data = volumes(*files, test=0, val=0, crop=24)
    assert len(data) == 27 and data.counts == {"a": 27, "b": 27}
    for index in (0, 4, 26):
        patient, level = divmod(index, 3)
        item = data.item(index, torch.Generator().manual_seed(0))
        body = draw_body(np.random.default_rng((0, 0, patient)), 24, 3, 6)
        units = np.rint(item["a"][0].numpy() * 300 + 100)
        assert np.array_equal(units, body.plain[level].clip(-200, 400)) and item["volume_a"] == patient
        assert (item["body_a"][0].numpy() == body.inside[level]).mean() > 0.9


def test_a_patient_is_in_one_split(files: Any) -> None:
    data = volumes(*files, patient=r"[0-9]+")  # a003 and b003 are one patient
    parts = {name: data.split(name).patients() for name in ("train", "val", "test")}
    assert set.union(*parts.values()) == {f"{i:03d}" for i in range(9)}
    assert sum(map(len, parts.values())) == 9 and all(parts.values())
    assert volumes(*files, patient=r"[0-9]+").split("test").patients() == parts["test"]


def test_several_slices_a_crop_and_whole_test_slices(files: Any) -> None:
    data = volumes(*files, slices=3)
    item = data.item(1, torch.Generator().manual_seed(0))
    assert item["a"].shape == (3, 16, 16) and item["body_b"].shape == (1, 16, 16)
    again, other = (data.item(1, torch.Generator().manual_seed(s)) for s in (0, 1))
    assert torch.equal(again["b"], item["b"]) and not torch.equal(other["a"], item["a"])
    whole = data.split("test")
    first, second = (whole.item(i, torch.Generator().manual_seed(i))["a"] for i in (0, 1))
    assert first.shape == (3, 24, 24) and torch.equal(first[2], second[1]) and torch.equal(first[1], second[0])


def test_volumes_are_decoded_once(files: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = volumes(*files, cache_folder=str(tmp_path / "kept"))
    kept = sorted((tmp_path / "kept").iterdir())
    monkeypatch.setattr(type(data), "_decoded", None)
    again = volumes(*files, cache_folder=str(tmp_path / "kept"))
    assert torch.equal(again.item(2, torch.Generator())["a"], data.item(2, torch.Generator())["a"])
    assert sorted((tmp_path / "kept").iterdir()) == kept and all(path.suffix == ".npy" for path in kept)


def test_what_is_kept_may_be_damaged_and_its_folder_unfit(files: Any, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = volumes(*files, cache_folder=str(kept)).item(2, torch.Generator())["a"]
    for length in (200, 0):
        for path in kept.iterdir():
            path.write_bytes(path.read_bytes()[:length])
        assert torch.equal(volumes(*files, cache_folder=str(kept)).item(2, torch.Generator())["a"], first)
    for other in (b"PK no header", np.zeros((2, 3), np.float32), np.zeros((3, 2, 24, 24))):
        for path in kept.iterdir():
            np.save(path, other) if isinstance(other, np.ndarray) else path.write_bytes(other + path.read_bytes()[12:])
        assert torch.equal(volumes(*files, cache_folder=str(kept)).item(2, torch.Generator())["a"], first)
    data = volumes(*files, cache_folder=str(kept))
    for path in kept.iterdir():
        path.unlink()
    assert torch.equal(data.item(2, torch.Generator())["a"], first)
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataError, match=r"cannot be kept there \(.*\); set data.cache_folder to another folder"):
            volumes(*files, cache_folder=str(folder))


def test_pairs_of_volumes(tmp_path: Path) -> None:
    from gankit_medical.drawing import draw_body
    from gankit_medical.drawn_files import write_nifti

    for number in range(3):
        body = draw_body(np.random.default_rng(number), 24, 3, 6)
        for side, volume in (("A", body.plain), ("B", body.contrast)):
            (tmp_path / "in" / side).mkdir(parents=True, exist_ok=True)
            write_nifti(tmp_path / "in" / side / f"p{number}.nii", volume)
    data = volumes("nifti", tmp_path / "in", paired=True, test=0, val=0)
    for index in range(9):
        item = data.item(index, torch.Generator().manual_seed(index))
        same = (item["a"] - item["b"]).abs() < 1e-6
        assert data.paired and bool((item["b"] >= item["a"] - 1e-6).all()) and same.float().mean() > 0.5
    twice = tmp_path / "in" / "A" / "p1.nii.gz"
    twice.write_bytes(gzip.compress((tmp_path / "in" / "A" / "p1.nii").read_bytes()))
    with pytest.raises(DataError, match=r"p1.nii and p1.nii.gz are both p1: leave one of them"):
        volumes("nifti", tmp_path / "in", paired=True, test=0, val=0)
    twice.unlink()
    (tmp_path / "in" / "B" / "p1.nii").rename(tmp_path / "in" / "B" / "q1.nii")
    with pytest.raises(DataError, match="there is no volume p1 on the other side"):
        volumes("nifti", tmp_path / "in", paired=True, test=0, val=0)


def test_pairs_have_as_many_slices(tmp_path: Path) -> None:
    """Or all that come after would be of two places."""
    from gankit_medical.drawn_files import write_nifti

    for side, depth in (("A", 3), ("B", 4)):
        (tmp_path / side).mkdir()
        write_nifti(tmp_path / side / "p.nii", np.zeros((depth, 16, 16), np.int16))
    with pytest.raises(DataError, match=r"A/p.nii: its 3 x 16 x 16 voxels are no pair of .*B/p.nii, of 4 x 16 x 16"):
        volumes("nifti", tmp_path, paired=True, test=0, val=0, cache_folder=str(tmp_path / "cache"))


def test_volumes_have_the_slices_that_a_picture_reaches(tmp_path: Path) -> None:
    from gankit_medical.drawn_files import write_nifti

    for side in "AB":
        (tmp_path / side).mkdir()
        write_nifti(tmp_path / side / "p.nii", np.zeros((3, 16, 16), np.int16))
    options = {"test": 0, "val": 0, "crop": 16, "cache_folder": str(tmp_path / "cache")}
    assert len(volumes("nifti", tmp_path, slices=5, **options)) == 3
    with pytest.raises(DataError, match=r"A/p.nii: it has 3 slices, and a picture reaches 3 to either side"):
        volumes("nifti", tmp_path, slices=7, **options)


def test_what_does_not_fit_is_named(files: Any, tmp_path: Path) -> None:
    kind, home = files
    for options, words in (
        ({"crop": 25}, "24 x 24 px, are smaller than crop 25"),
        ({"a": "C"}, "C is no folder"),
        ({"test": 0.0}, "no patient of a, of 9 in all, is in the split test"),
        ({"patient": "nobody"}, "finds nothing in a000"),
        ({"patient": "[0-9]*"}, "finds nothing in a000"),
        ({"root": str(tmp_path), "a": "", "b": ""}, "holds no files of the codec"),
    ):
        with pytest.raises(DataError, match=words):
            volumes(kind, home, **options).split("test")
    with pytest.raises(ValueError, match="leave no patients"):
        volumes(kind, home, test=0.6, val=0.4)
    with pytest.raises(ValueError, match="body is 5000, and no value above it"):
        volumes(kind, home, body=5000.0)
    with pytest.raises(ValueError, match="not a regular expression"):
        volumes(kind, home, patient="(")


def test_no_file_stays_open(files: Any) -> None:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("the system does not list open files there")
    before = len(list(folder.iterdir()))
    data = volumes(*files)
    data.item(0, torch.Generator())
    assert len(list(folder.iterdir())) == before and len(data.sources["a"]) > 1


def test_the_best_constant_is_the_best_within_the_body(tmp_path: Path) -> None:
    from gankit_medical.drawing import draw_body
    from gankit_medical.drawn_files import write_nifti
    from gankit_medical.metrics import BodyMAE

    for number in (0, 2, 3, 4):  # the last one is for training
        body = draw_body(np.random.default_rng(number), 24, 3, 6)
        for side, volume in (("A", body.plain), ("B", body.contrast)):
            (tmp_path / "in" / side).mkdir(exist_ok=True, parents=True)
            write_nifti(tmp_path / "in" / side / f"p{number}.nii", volume)
    data = volumes("nifti", tmp_path / "in", paired=True).split("test")
    method, metric = Brighten(0), BodyMAE()
    method.takes = {"a": Picture(1), "b": Picture(1)}
    row = evaluate(method, data, metrics={"body_mae": metric})["body_mae", "a2b"]
    items = [data.item(i, torch.Generator()) for i in range(len(data))]
    truth, body, volume = (torch.stack([item[key] for item in items]) for key in ("b", "body_b", "volume_b"))
    best = min(metric(torch.full_like(truth, float(c)), truth, body, volume) for c in torch.linspace(-1, 1, 41))
    assert len(data.patients()) == 3 and 0 < row.trivial["best constant"] < 1.02 * best
