"""Where weights are found, and what is said when they are not."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import urllib.request
from pathlib import Path

import pytest
import torch
import torchvision.models as models
from safetensors.torch import save_file
from typer.testing import CliRunner

from gankit import weights
from gankit.backbones.vgg import VGG16
from gankit.cli.main import app
from gankit.core.errors import RecipeError
from gankit.training.assemble import assemble
from gankit.weights import KnownFile, WeightsError, known, store

RECIPE = {
    "gankit": 1,
    "name": "t",
    "method": {"type": "paired", "generator": {"type": "unet", "channels": 4, "downs": 5}},
    "losses": {"content": {"type": "perceptual", "layers": ["relu1_1"]}},
    "data": {"type": "shapes"},
    "train": {"epochs": 1},
}


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GANKIT_WEIGHTS", "TORCH_HOME", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "_failures", {})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Weights of the first two convolutions of a VGG-16, in half precision."""
    return written(tmp_path / "mine.safetensors", 0.5)


def written(path: Path, value: float) -> Path:
    state = VGG16(("relu1_2",), weights="random").state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {k: torch.full_like(v, value).half() for k, v in state.items()}
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


def test_the_order_of_the_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: Path) -> None:
    hub = written(tmp_path / "cache/torch/hub/checkpoints/vgg16.pth", 0.1)
    assert weights.find("vgg16").path == hub
    kept = weights.add(file, "vgg16")
    assert kept == tmp_path / "cache/gankit/weights/vgg16.safetensors" and weights.find("vgg16").path == kept
    other = written(tmp_path / "folder/sub/vgg16.pth", 0.2)
    monkeypatch.setenv("GANKIT_WEIGHTS", str(tmp_path / "folder"))
    assert weights.find("vgg16").path == other
    net = VGG16(("relu1_1",), weights=str(file))
    assert net.features[0].weight.dtype == torch.float32 and bool((net.features[0].weight == 0.5).all())
    assert VGG16(("relu1_1",)).features[0].weight[0, 0, 0, 0] == pytest.approx(0.2, abs=1e-4)
    assert net.key[-1] == ("sha256", hashlib.sha256(file.read_bytes()).hexdigest())
    monkeypatch.setenv("GANKIT_WEIGHTS", str(file))
    with pytest.raises(WeightsError, match=r"GANKIT_WEIGHTS names .*, which is not a folder"):
        weights.find("vgg16")


def test_adding_again_replaces(tmp_path: Path, file: Path) -> None:
    weights.add(file, "vgg16")
    kept = weights.add(written(tmp_path / "new.pth", 0.7), "vgg16")
    assert [p.name for p in kept.parent.iterdir()] == ["vgg16.pth"]


def test_a_file_is_known_by_its_hash_under_any_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: Path
) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    table = (KnownFile("vgg16", "usual-name.safetensors", digest[:8], file.stat().st_size), *known.KNOWN)
    for module in (store, known):
        monkeypatch.setattr(module, "KNOWN", table)
    monkeypatch.setenv("GANKIT_WEIGHTS", str(tmp_path))
    found = weights.find("vgg16")
    assert found.path == file and found.known is table[0]
    damaged = written(tmp_path / "usual-name.safetensors", 0.9)
    with pytest.raises(WeightsError, match=f"{damaged.name} is called as a file .* damaged, or another file"):
        weights.find("vgg16")


def test_the_table_is_torchvisions() -> None:
    urls = {
        "vgg16": models.VGG16_Weights.IMAGENET1K_V1.url,
        "vgg19": models.VGG19_Weights.IMAGENET1K_V1.url,
        "alexnet": models.AlexNet_Weights.IMAGENET1K_V1.url,
        "squeezenet": models.SqueezeNet1_1_Weights.IMAGENET1K_V1.url,
    }
    for network, url in urls.items():
        first = known.known_of(network)[0]
        assert first.url == url and first.sha256 in url


def test_a_recipe_without_weights_is_refused_with_what_to_do() -> None:
    with pytest.raises(RecipeError) as refused:
        assemble(RECIPE)
    (problem,) = refused.value.problems
    assert problem.path == "losses.content.backbone"
    for part in ("vgg16-397923af.pth", "528 MB", "gankit weights add vgg16-397923af.pth --as vgg16", "GANKIT_WEIGHTS"):
        assert part in problem.message
    with torch.device("meta"), pytest.raises(RecipeError, match=r"vgg16-397923af\.pth"):
        assemble(RECIPE)
    assert assemble(RECIPE, ["losses.content.backbone.weights=random"])


def test_a_dead_network_is_asked_once_and_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def dead(request, *_, **__):
        asked.append((request.full_url, socket.getdefaulttimeout()))
        raise urllib.request.URLError("Name or service not known")

    monkeypatch.delenv("GANKIT_OFFLINE", raising=False)
    monkeypatch.setattr(urllib.request, "urlopen", dead)
    for _ in range(2):
        with pytest.raises(WeightsError, match=r"fetching it failed: Name or service not known\. Run `gankit weights"):
            weights.find("alexnet")
    assert asked == [("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", store.PATIENCE)]
    assert socket.getdefaulttimeout() is None


def test_what_can_be_fetched_is_fetched_into_torchs_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer:
        def close(self) -> None: ...

    def fetch(url: str, target: str, prefix: str) -> None:
        assert prefix == "397923af"
        written(Path(target), 0.3)

    monkeypatch.delenv("GANKIT_OFFLINE", raising=False)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Answer())
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    assert weights.find("vgg16", fetch=False).path is None  # as `gankit build` asks
    assert weights.find("vgg16").path == store.hub() / "vgg16-397923af.pth"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"features.0.weight": torch.zeros(64, 3, 3, 3)}, "it lacks features.0.bias"),
        ({"features.0.weight": torch.zeros(8, 3, 3, 3)}, r"features.0.weight is \(8, 3, 3, 3\) instead of"),
    ],
)
def test_a_file_of_another_network(tmp_path: Path, content: dict, said: str) -> None:
    save_file(content, tmp_path / "odd.safetensors")
    with pytest.raises(WeightsError, match=said):
        VGG16(("relu1_1",), weights=str(tmp_path / "odd.safetensors"))


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "broken-in"),)

    torch.save({"features.0.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="not opened"):
        VGG16(("relu1_1",), weights=str(tmp_path / "evil.pth"))
    assert not (tmp_path / "broken-in").exists()


# -- the command -------------------------------------------------------------------------------------------------------
def run(*arguments: str):
    return CliRunner().invoke(app, ["weights", *arguments])


def test_add_and_list(tmp_path: Path) -> None:
    whole = tmp_path / "distilled.pth"
    from gankit.backbones.distilled_vgg19 import DistilledVGG19

    net = DistilledVGG19((), weights="random")
    torch.save({net.key_of(k): v for k, v in net.state_dict().items()}, whole)
    done = run("add", str(whole), "--as", "distilled_vgg19")
    assert done.exit_code == 0 and "not among the known files, SHA-256" in done.output
    rows = {row["network"]: row for row in json.loads(run("list", "--json").output)}
    assert rows["distilled_vgg19"]["state"] == "unknown" and rows["distilled_vgg19"]["where"] == "store"
    assert rows["vgg16"]["state"] == "missing" and "vgg16-397923af.pth" in rows["vgg16"]["about"]
    assert not DistilledVGG19(("relu1_1",)).random


def test_add_refuses_what_does_not_fit(file: Path) -> None:
    for arguments in ((str(file), "--as", "vgg19"), (str(file), "--as", "nosuch"), ("nowhere.pth", "--as", "vgg16")):
        assert run("add", *arguments).exit_code == 2
    assert not store.own_folder().exists()
