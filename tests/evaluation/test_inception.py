"""FID's Inception against torchvision's, changed in the places in which the two differ."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from gankit.backbones.inception import Inception
from gankit.evaluation.extract import Extractor
from gankit.evaluation.sets import FID
from gankit.features import FeatureNet, Features
from gankit.weights import WeightsError


@pytest.fixture(scope="module")
def net() -> Inception:
    return Inception((), weights="random")


def test_it_is_torchvisions_with_other_pools(net: Inception, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models.inception import Inception3

    plain = Inception3(1008, aux_logits=False, transform_input=False, init_weights=False).eval()
    state = net.net.state_dict()
    assert plain.state_dict().keys() - state.keys() == {"fc.weight", "fc.bias"}
    plain.load_state_dict(plain.state_dict() | state)
    plain.fc = torch.nn.Identity()
    x = torch.rand(1, 3, 96, 110, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        unchanged = plain(x)
    average, pools = F.avg_pool2d, []

    def pool(x: torch.Tensor, **arguments: int) -> torch.Tensor:
        pools.append(x.shape[1])
        if len(pools) == 9:  # of the last block
            return F.max_pool2d(x, 3, 1, 1)
        return average(x, 3, 1, 1, count_include_pad=False)

    monkeypatch.setattr(F, "avg_pool2d", pool)
    with torch.no_grad():
        wanted = plain(x)
    assert len(pools) == 9 and not torch.allclose(wanted, unchanged)
    monkeypatch.setattr(F, "avg_pool2d", average)
    with torch.no_grad():
        found = net(x, ("pool3", "pool1", "mixed_6e"))
    torch.testing.assert_close(found["pool3"][:, :, 0, 0], wanted, rtol=1e-4, atol=1e-5)
    assert [value.shape[1] for value in found.values()] == [2048, 64, 768]


def test_what_is_behind_the_wanted_layers_is_not_kept(net: Inception) -> None:
    shallow, x = Inception(("pool2",), weights="random"), torch.rand(1, 3, 80, 75)
    assert shallow.layer_names == ("pool1", "pool2") and not hasattr(shallow.net, "Mixed_5b")
    assert shallow.key == net.key
    assert torch.equal(shallow(x, ("pool2",))["pool2"], net(x, ("pool2",))["pool2"])


def test_what_it_sees_depends_on_the_protocol() -> None:
    """TensorFlow's graph takes (x - 128) / 128, pytorch-fid x / 127.5 - 1."""
    seen = {}

    class Spy(FeatureNet):
        layer_names = ("pool3",)

        def forward(self, x: torch.Tensor, layers: tuple[str, ...]) -> Features:
            seen[name] = (tuple(x.shape), float(x.min()), float(x.max()))
            return Features(dict.fromkeys(layers, x))

    for name in ("clean", "legacy-pytorch", "legacy-tf"):
        extractor = Extractor(Inception, name)
        extractor.network._net = Spy()  # pyright: ignore[reportAttributeAccessIssue]
        extractor(torch.ones(1, 3, 20, 30))
    seen = {name: (shape, round(low, 4), round(high, 4)) for name, (shape, low, high) in seen.items()}
    assert seen["clean"] == seen["legacy-tf"] == ((1, 3, 299, 299), 0.9922, 0.9922)
    assert seen["legacy-pytorch"][1:] == (1, 1)


def test_weights_of_a_file(net: Inception, tmp_path: Path) -> None:
    state = {name: value for name, value in net.net.state_dict().items() if "num_batches" not in name}
    classes = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    torch.save(state | classes, tmp_path / "own.pth")
    loaded = Inception(("pool3",), weights=str(tmp_path / "own.pth"))
    found = loaded.net.state_dict()
    assert found.keys() == net.net.state_dict().keys() and all(torch.equal(found[name], state[name]) for name in state)
    metric = FID(features=lambda layers: loaded)  # type: ignore[arg-type]
    metric.extractor.is_inception = True
    metric.prepare("cpu")
    assert "not FID's usual file" in metric.warning(5000, 5000)
    torch.save({"fc.weight": torch.zeros(1000, 2048)}, tmp_path / "torchvision.pth")
    with pytest.raises(WeightsError, match="1008 classes"):
        Inception((), weights=str(tmp_path / "torchvision.pth"))


def test_it_refuses_what_it_cannot_see(net: Inception) -> None:
    with pytest.raises(ValueError, match="at least 75 px, not 80 x 40"):
        net(torch.zeros(1, 3, 40, 80), ("pool3",))
    with pytest.raises(ValueError, match="has no layer 'fc'"):
        Inception(("fc",), weights="random")
