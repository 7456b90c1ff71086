"""Frozen networks against torchvision's and timm's own, and against what is written about them."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
import torchvision.models as models
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from gankit.backbones.alexnet import AlexNet
from gankit.backbones.chain import Chain
from gankit.backbones.distilled_vgg19 import DistilledVGG19
from gankit.backbones.normalize import Normalize
from gankit.backbones.squeezenet import SqueezeNet
from gankit.backbones.timm import Timm
from gankit.backbones.vgg import VGG16, VGG19
from gankit.weights import WeightsError
from tests.real import DISTILLED, SQUEEZENET, needs_weights

PAIRS = [
    (VGG16, models.vgg16, "relu3_3", 15),
    (VGG19, models.vgg19, "relu4_2", 22),
    (AlexNet, models.alexnet, "relu5", 11),
    (SqueezeNet, models.squeezenet1_1, "slice5", 10),
]
NAMES = ["11", "12", "P", "21", "22", "P", "31", "32", "33", "34", "P", "41", "42", "43", "44", "P", "51"]


def pictures(side: int = 40) -> torch.Tensor:
    return torch.rand(2, 3, side, side + 5, generator=torch.Generator().manual_seed(3)) * 2 - 1


def normalized(x: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return ((x + 1) / 2 - mean) / std


def reference(make, net: Chain) -> torch.nn.Sequential:
    """torchvision's network, as deep, with the same weights."""
    with torch.device("meta"):
        features = make(weights=None).features[: net.depth]
    features.load_state_dict(net.features.state_dict(), assign=True)
    return features.eval()


@pytest.mark.parametrize(("make", "torchvision", "layer", "index"), PAIRS, ids=lambda p: getattr(p, "__name__", None))
def test_layers_are_those_of_torchvision(make, torchvision, layer: str, index: int) -> None:
    net = make((layer,), weights="random")
    assert net.depth == index + 1  # no deeper than asked
    theirs = reference(torchvision, net)
    torch.testing.assert_close(net(pictures(), (layer,))[layer], theirs(normalized(pictures())), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [VGG16, VGG19, AlexNet, SqueezeNet, DistilledVGG19, Timm])
def test_random_weights_leave_the_global_generator_alone_and_are_the_same_at_any_depth(make) -> None:
    before = torch.get_rng_state()
    with torch.device("meta"):
        names = make((), weights="random").layer_names
    shallow, deep = make(names[1:2], weights="random"), make(names[1:4], weights="random")
    assert torch.equal(torch.get_rng_state(), before)
    assert shallow.random and shallow.key == deep.key and shallow.depth < deep.depth
    torch.testing.assert_close(deep(pictures(), names[1:2])[names[1]], shallow(pictures(), names[1:2])[names[1]])


def test_another_normalization_or_pooling_is_another_network() -> None:
    nets = [
        VGG16(("relu1_1",), weights="random"),
        VGG16(("relu1_1",), weights="random", normalize="caffe"),
        VGG16(("relu1_1",), weights="random", pooling="average"),
        VGG19(("relu1_1",), weights="random"),
    ]
    assert len({net.key for net in nets}) == 4


def test_it_is_frozen_but_lets_gradients_through() -> None:
    net = VGG16(("relu1_2",), weights="random").train()
    assert not net.training and not any(m.training for m in net.modules())
    x = pictures().requires_grad_()
    net(x, ("relu1_2",))["relu1_2"].sum().backward()
    assert x.grad is not None and x.grad.any() and all(p.grad is None for p in net.parameters())


def test_normalizations() -> None:
    x = pictures(4)
    torch.testing.assert_close(Normalize("imagenet")(x), normalized(x))
    torch.testing.assert_close(Normalize("none")(x), (x + 1) / 2)
    bgr = ((x + 1) * 127.5)[:, [2, 1, 0]] - torch.tensor([103.939, 116.779, 123.68]).view(3, 1, 1)
    torch.testing.assert_close(Normalize("caffe")(x), bgr)
    grey = x[:, :1]
    torch.testing.assert_close(Normalize("imagenet")(grey), Normalize("imagenet")(grey.expand(-1, 3, -1, -1)))
    with pytest.raises(ValueError, match=r"pictures \(N, 3, H, W\)"):
        Normalize("none")(torch.zeros(1, 2, 4, 4))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast(dtype: torch.dtype) -> None:
    net = VGG16(("relu2_2",), weights="random")
    exact = net(pictures(), ("relu2_2",))["relu2_2"]
    with torch.autocast("cpu", dtype=dtype):
        half = net(pictures().to(dtype), ("relu2_2",))["relu2_2"]
    assert half.dtype == dtype and ((half.float() - exact).norm() / exact.norm()) < 0.02


def test_what_cannot_be_is_said_with_the_names() -> None:
    with pytest.raises(ValueError, match=r"vgg16 has no layer 'relu9_1'; it has conv1_1, relu1_1"):
        VGG16(("relu9_1",), weights="random")
    with pytest.raises(ValueError, match=r"resnet18 has no feature 'layer9'; it has 0 \(act1\), 1 \(layer1\)"):
        Timm(("layer9",), weights="random")
    with pytest.raises(ValueError, match="timm has no network 'resnet_18'"):
        Timm((), model="resnet_18", weights="random")
    with pytest.raises(ValueError, match="built up to relu1_2, not to relu2_1"):
        VGG16(("relu1_2",), weights="random")(pictures(), ("relu2_1",))
    with pytest.raises(ValueError, match="too small for vgg16 up to pool3"):
        VGG16(("pool3",), weights="random")(torch.zeros(1, 3, 4, 4), ("pool3",))


def test_timm_by_number_and_by_name(tmp_path: Path) -> None:
    net = Timm((), model="resnet18", out_indices=(1, 2), weights="random")
    assert net.default_layers == ("1", "2") and net.depth == 3
    taps = net(pictures(), ("2", "layer1"))
    assert list(taps) == ["2", "layer1"] and taps["2"].shape == (2, 128, 5, 6)
    torch.manual_seed(5)
    whole = timm.create_model("resnet18")
    save_file(whole.state_dict(), tmp_path / "own.safetensors")
    ours = Timm(("2",), model="resnet18", weights=str(tmp_path / "own.safetensors"))
    theirs = whole.eval().forward_intermediates(normalized(pictures()), indices=[2], intermediates_only=True)
    torch.testing.assert_close(ours(pictures(), ("2",))["2"], theirs[0], rtol=1e-4, atol=1e-4)
    assert not ours.random and ours.key != net.key
    with pytest.raises(WeightsError, match=r"own.safetensors holds no weights of resnet34"):
        Timm((), model="resnet34", weights=str(tmp_path / "own.safetensors"))


def test_timm_at_another_size_than_it_was_made_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="takes pictures of 224 x 224 px, not of 40 x 45; set its image_size"):
        Timm((), model="vit_tiny_patch16_224", weights="random")(pictures(), ("0",))
    with pytest.raises(ValueError, match="resnet18 takes pictures of any size: remove image_size"):
        Timm((), model="resnet18", weights="random", image_size=48)
    torch.manual_seed(5)
    whole = timm.create_model("vit_tiny_patch16_224").eval()
    save_file(whole.state_dict(), tmp_path / "own.safetensors")
    file = str(tmp_path / "own.safetensors")
    x = pictures()[..., :32, :32]
    small = Timm(("1",), model="vit_tiny_patch16_224", weights=file, image_size=32)
    whole.set_input_size(img_size=32)  # interpolates the positions
    theirs = whole.forward_intermediates((x + 1) / 2, indices=[1], intermediates_only=True, norm=False)
    small.normalize = Normalize("none")
    torch.testing.assert_close(small(x, ("1",))["1"], theirs[0])
    assert small.key != Timm(("1",), model="vit_tiny_patch16_224", weights=file).key


@pytest.mark.parametrize("model", ["tf_efficientnet_lite0", "mobilenetv3_small_100", "hrnet_w18_small"])
def test_networks_whose_features_are_of_a_kind_of_their_own(model: str) -> None:
    found = Timm((), model=model, out_indices=(0,), weights="random")(pictures(64)[..., :64], ("0",))
    assert found["0"].shape[2:] == (32, 32)


def test_channels_come_first_where_timm_has_them_last() -> None:
    net = Timm((), model="swin_tiny_patch4_window7_224", out_indices=(0, 1), weights="random", image_size=64)
    found = net(pictures().new_zeros(1, 3, 64, 64), ("0", "1"))
    assert [tuple(f.shape) for f in found.values()] == [(1, 96, 16, 16), (1, 192, 8, 8)]


# -- real weights ------------------------------------------------------------------------------------------------------
@needs_weights
def test_squeezenet_of_torchvision() -> None:
    theirs = models.squeezenet1_1(weights=None)
    theirs.load_state_dict({k: v.float() for k, v in load_file(SQUEEZENET).items()})
    ours = SqueezeNet(("fire9",), weights=str(SQUEEZENET))
    assert all(p.dtype == torch.float32 for p in ours.parameters())
    found = ours(pictures(), ("fire9",))["fire9"]
    torch.testing.assert_close(found, theirs.eval().features(normalized(pictures())), rtol=1e-4, atol=1e-3)


@needs_weights
def test_distilled_vgg19_from_the_file_or_the_folder() -> None:
    state = load_file(DISTILLED / "e5.safetensors")
    h, wanted = F.conv2d((pictures() + 1) / 2, state["conv0.weight"], state["conv0.bias"]), {}
    for name in NAMES:
        if name == "P":
            h = F.max_pool2d(h, 2)
            continue
        padded = F.pad(h, (1,) * 4, mode="reflect")
        h = F.relu(F.conv2d(padded, state[f"conv{name}.weight"], state[f"conv{name}.bias"]))
        wanted[f"relu{name[0]}_{name[1]}"] = h
    for path in (DISTILLED, DISTILLED / "e5.safetensors"):
        net = DistilledVGG19((), weights=str(path))
        for name, features in net(pictures(), tuple(wanted)).items():
            torch.testing.assert_close(features, wanted[name], rtol=1e-4, atol=1e-4)
