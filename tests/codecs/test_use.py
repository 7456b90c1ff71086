"""A run of deep pictures: the range that it was trained on is the range that it is fed, measured in, and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from typer.testing import CliRunner

import gankit
from gankit.api import Model
from gankit.cli.main import app
from gankit.codecs.base import Codec
from gankit.codecs.image import Image8
from gankit.codecs.npy import Npy
from gankit.codecs.sixteen import RGB16, Grey16
from gankit.codecs.tiff import Tiff
from gankit.contracts import CodecContract
from gankit.core.catalogue import catalogue
from gankit.core.errors import DataError
from gankit.core.register import register
from gankit.core.registry import LOCAL
from gankit.data.loader import make_loader
from gankit.evaluation.evaluate import evaluate
from gankit.inference.translate import translate_paths
from gankit.testing import check_component
from tests.codecs.scan import Scan
from tests.evaluation.fakes import Brighten
from tests.training.tiny import CRITIC, recipe

TWELVE = {"low": 0, "high": 4095}


def grey(path: Path, seed: int = 0, size: tuple[int, int] = (16, 20)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 4096, size, dtype=np.uint16)
    if path.suffix == ".png":
        Image.fromarray(values).save(path)
    else:
        tifffile.imwrite(path, values, metadata=None)
    return path


def five(path: Path, seed: int = 0, dtype: Any = np.uint16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 4096, (16, 20, 5)).astype(dtype)
    tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig", metadata=None)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12-bit grey in 16-bit PNG to five channels in 16-bit TIFF, of which the test pictures are pairs."""
    root = tmp_path_factory.mktemp("deep")
    for i in range(3):
        for split in ("train", "test"):
            grey(root / f"{split}A" / f"{i}.png", i)
            five(root / f"{split}B" / f"{i}.tif", i)
    method = {
        "type": "paired",
        "generator": {"type": "resnet", "channels": 4, "blocks": 1},
        "discriminator": CRITIC,
        "channels_a": 1,
        "channels_b": 5,
    }
    folders = {"a": "trainA", "b": "trainB", "test_a": "testA", "test_b": "testB", "root": str(root)}
    sizes = {"preprocess": "none", "cache": "ram"}
    data = {"type": "paired", **folders, **sizes} | {
        "codec": {"type": "grey16", **TWELVE, "units": "counts"},
        "codec_b": {"type": "tiff", **TWELVE},
    }
    made = recipe(method, {"adversarial": "lsgan", "l1": {"type": "l1", "weight": 10}}, name="deep", steps=2)
    gankit.train({**made, "data": data}, root / "run")
    return root / "run"


@pytest.fixture
def model(run: Path) -> Model:
    return gankit.load(run)


def test_translate_feeds_the_range_of_the_training(run: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[torch.Tensor] = []
    network = model.method.network("generator", "a2b")
    network.register_forward_pre_hook(lambda module, inputs: fed.append(inputs[0].clone()))
    source = run.parent / "testA" / "1.png"
    translate_paths(model.method, [source], run / "fed", channels=model.channels, codecs=model.codecs)
    trained = next(iter(make_loader(model.dataset("test"), 3, shuffle=False)))["a"][1:2]
    assert torch.equal(fed[0][..., :16, :20], trained) and trained.std() > 0.5
    model.translate(source)
    assert torch.equal(fed[1], fed[0])


def test_results_are_of_the_targets_kind(run: Path, model: Model, tmp_path: Path) -> None:
    command = ["translate", str(run), str(run.parent / "testA"), "--out", str(tmp_path), "--device", "cpu"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.tif", "1.tif", "2.tif"]
    written = tifffile.imread(tmp_path / "1.tif")
    assert written.shape == (16, 20, 5) and written.dtype == np.float32  # a source of another codec: nothing is lost
    assert written.min() >= 0 and written.max() <= 4095
    values = model.translate(run.parent / "testA" / "1.png")
    assert isinstance(values, np.ndarray) and np.allclose(np.moveaxis(values, 0, -1), written, atol=0.01)
    array = Grey16(**TWELVE).decode(run.parent / "testA" / "1.png")
    assert np.allclose(model.translate(array), values, atol=0.01)


def test_what_a_run_of_deep_pictures_does_not_take(run: Path, model: Model, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"this run \(grey16, 0 to 4095 counts\) is a path, an array \(1, H"):
        model.translate(Image.new("L", (8, 8)))  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match=r"not an array \(2, 8, 8\)"):
        model.translate(np.zeros((2, 8, 8)))
    Image.new("L", (20, 16)).save(tmp_path / "eight.png")
    (tmp_path / "film.mp4").touch()
    outcome = translate_paths(
        model.method,
        [tmp_path / "eight.png", tmp_path / "film.mp4"],
        tmp_path / "out",
        channels=model.channels,
        codecs=model.codecs,
    )
    assert not outcome.written
    assert "eight.png: it is not 16-bit grey, but 8-bit grey: codec image reads it" in outcome.failed[0]
    assert "film.mp4: videos have 8 bits a channel, and pictures of this run are grey16, 0 to 4095" in outcome.failed[1]


def test_figures_are_not_rounded_to_8_bits(run: Path, model: Model) -> None:
    found = gankit.evaluate(run, device="cpu", metrics=["psnr", "l1", "ssim"])
    assert {row.metric for row in found} == {"psnr", "l1", "ssim"}
    for row in found:
        assert row.protocol["rounding"] == "none"
        assert row.protocol["files"] == "a: grey16, 0 to 4095 counts, b: tiff, 0 to 4095"
    batch = next(iter(make_loader(model.dataset("test"), 3, shuffle=False)))
    output = model.method.translate(batch["a"])
    expected = ((output - batch["b"]).double().abs().mean() * 127.5).item()
    assert found["l1"].value == pytest.approx(expected, rel=1e-6)
    missing = gankit.evaluate(run, device="cpu", metrics=["kid-squeezenet"])["kid-squeezenet1_1"]
    assert missing.unavailable


def test_half_a_level_counts_in_deep_pictures_and_not_in_8_bit_ones() -> None:
    from gankit.evaluation.measure import Measurement
    from gankit.evaluation.metrics import L1, PSNR, SSIM

    truth = torch.full((1, 1, 16, 16), 100 / 127.5 - 1)
    output = truth + 0.2 / 127.5
    for rounded, expected in ((True, 0.0), (False, 0.2)):
        found = Measurement({"l1": L1(), "psnr": PSNR(), "ssim": SSIM()}, rounded=rounded)
        found.add("", {"output": output, "truth": truth})
        l1, psnr, ssim = (row.value for row in found.results([""], {}))
        assert l1 == pytest.approx(expected, abs=1e-4) and (psnr == 100) == rounded and (ssim == 1) == rounded


def test_8_bit_runs_say_what_they_did() -> None:
    from tests.evaluation.fakes import Scenes

    row = next(iter(evaluate(Brighten(), Scenes())))
    assert row.protocol["rounding"] == "8 bit" and "files" not in row.protocol


def test_the_report_tells_what_the_grids_show(run: Path) -> None:
    text = (run / "report.html").read_text()
    assert "black is 0, white 4095 counts" in text and "of pictures of 5 channels the first is drawn" in text
    assert list((run / "samples").glob("*.png")) and (run / "evaluation.png").is_file()


@pytest.mark.parametrize(
    ("codec", "name", "values"),
    [
        (Grey16(**TWELVE), "x.png", np.full((4, 6), 1000, np.uint16)),
        (Grey16(**TWELVE), "x.tif", np.full((4, 6), 1000, np.uint16)),
        (RGB16(**TWELVE), "x.tif", np.full((4, 6, 3), 1000, np.uint16)),
        (Tiff(**TWELVE), "x.tif", np.full((4, 6, 5), 1000, np.uint16)),
        (Tiff(**TWELVE), "x.tif", np.full((4, 6), 1000, np.int32)),
        (Tiff(**TWELVE), "x.tif", np.full((4, 6), 1000, np.float32)),
        (Npy(**TWELVE), "x.npy", np.full((4, 6, 2), 1000, np.int16)),
    ],
    ids=lambda x: getattr(x, "words", getattr(x, "dtype", x)),
)
def test_the_source_says_kind_and_depth(tmp_path: Path, codec: Codec, name: str, values: np.ndarray) -> None:
    source, out = tmp_path / name, tmp_path / "out"
    if source.suffix == ".npy":
        np.save(source, values)
    elif source.suffix == ".png":
        Image.fromarray(values).save(source)
    else:
        more = {"planarconfig": "contig"} if values.ndim == 3 else {}
        photometric = "rgb" if values.shape[-1] == 3 else "minisblack"
        tifffile.imwrite(source, values, metadata=None, photometric=photometric, **more)
    channels = {"a": values.shape[2] if values.ndim == 3 else 1}
    outcome = translate_paths(Brighten(10), [source], out, channels=channels, codecs={"a": codec, "b": codec})
    assert outcome.written == [out / name] and not outcome.failed
    assert Image.open(out / "x_attention.png").mode == "L"
    load = {".npy": np.load, ".png": lambda p: np.asarray(Image.open(p))}.get(source.suffix, tifffile.imread)
    back = load(out / name)
    assert back.dtype == values.dtype and back.shape == values.shape
    assert np.abs(back.astype(float) - (1000 + 10 * 4095 / 255)).max() <= 0.5


def test_deep_pictures_to_8_bit_ones_and_back(tmp_path: Path) -> None:
    codecs, channels = {"a": Grey16(**TWELVE), "b": Image8()}, {"a": 1, "b": 1}
    deep = grey(tmp_path / "in" / "x.tif")
    translate_paths(Brighten(0), [deep], tmp_path / "eight", channels=channels, codecs=codecs)
    eight = np.asarray(Image.open(tmp_path / "eight" / "x.png"))
    assert np.abs(eight - tifffile.imread(deep) * (255 / 4095)).max() <= 0.5 + 1e-4
    translate_paths(Brighten(0), [tmp_path / "eight"], tmp_path / "deep", "b2a", channels=channels, codecs=codecs)
    back = np.asarray(Image.open(tmp_path / "deep" / "x.png")).astype(float)
    assert np.abs(back - eight * (4095 / 255)).max() <= 0.5


def test_what_is_drawn_from_noise_is_written_by_the_codec(tmp_path: Path) -> None:
    from gankit.inference.sample import save_samples

    pictures = torch.zeros(2, 5, 4, 4)
    paths = save_samples(pictures, tmp_path, codec=Tiff(**TWELVE))
    assert [p.name for p in paths] == ["000000.tif", "000001.tif"]
    assert tifffile.imread(paths[0]).mean() == pytest.approx(2047.5)


def test_exports_are_compared_on_deep_pictures(model: Model, run: Path, tmp_path: Path) -> None:
    from gankit.interop.export import export

    done = export(model, "safetensors", tmp_path / "x.safetensors", pictures=[run.parent / "testA"])
    assert done.on == "6 cuts of pictures of 2 sizes"


# -- codecs of others --------------------------------------------------------------------------------------------
@pytest.fixture
def scan() -> Any:
    yield register("codec", "scan")(Scan)
    catalogue.cache_clear()


def test_a_codec_of_others_conforms(scan: Any) -> None:
    check_component("codec", "scan")
    contract = CodecContract(Scan())
    assert contract.extensions == {".scan"} and (contract.low, contract.high, contract.units) == (-1024, 3071, "HU")
    assert catalogue().find("codec", "scan").source == LOCAL


def test_a_codec_of_others_trains_translates_and_writes_units(scan: Any, tmp_path: Path) -> None:
    rng, codec = np.random.default_rng(0), Scan()
    for folder in ("train", "test"):
        (tmp_path / folder).mkdir()
        for i in range(2):
            stored = rng.integers(0, 2048, (16, 16)).astype("<i2")
            head = b'{"rows": 16, "columns": 16, "slope": 2, "intercept": -1024}\n'
            (tmp_path / folder / f"{i}.scan").write_bytes(head + stored.tobytes())
    method: dict[str, Any] = {
        "type": "inpainting",
        "generator": {"type": "resnet", "channels": 4, "blocks": 1},
        "channels_a": 1,
    }
    method["discriminator"] = None
    data = {"type": "inpainting", "root": str(tmp_path), "codec": "scan", "load_size": 16, "crop_size": 16}
    losses = {"hole": {"type": "masked_l1"}}
    made = recipe(method, losses, name="scan", steps=1, batch_size=1)
    trained = gankit.train({**made, "data": data}, tmp_path / "run")
    assert trained.recipe.filled()["data"]["codec"]["type"] == "local/scan"
    Image.fromarray(np.full((16, 16), 255, np.uint8) * (np.arange(16) < 8).astype(np.uint8)).save(tmp_path / "hole.png")
    (source, out) = tmp_path / "test" / "0.scan", tmp_path / "out"
    how: dict[str, Any] = {"channels": trained.channels, "codecs": trained.codecs}
    assert "its hole is unknown" in translate_paths(trained.method, [source], out, **how).failed[0]
    translate_paths(trained.method, [source], out, mask=tmp_path / "hole.png", **how)
    assert b'"slope": 2, "intercept": -1024' in (out / "0.scan").read_bytes()
    assert codec.read(out / "0.scan").shape == (1, 16, 16)


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("shouts", {"extensions": frozenset({".SCAN"})}, "in small letters, with the dot: not .SCAN"),
        ("forgets", {"default_extension": ""}, "`default_extension` is ''"),
        ("drifts", {"decode": lambda self, path: Scan.decode(self, path) * 0.9}, "read back as another picture"),
        ("lies", {"header": lambda self, path: Scan.header(self, path)._replace(width=3)}, "says 3 x 6 px"),
    ],
)
def test_the_kit_finds_what_is_wrong(name: str, body: dict[str, Any], words: str) -> None:
    try:
        register("codec", name)(type(name.title(), (Scan,), {"__doc__": Scan.__doc__, **body}))
        with pytest.raises(AssertionError, match=words):
            check_component("codec", name)
    finally:
        catalogue.cache_clear()
