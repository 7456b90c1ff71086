"""Every option of speed against plain eager torch: the same losses, weights, checkpoints."""

from __future__ import annotations

import os
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from gankit.core.errors import RecipeError
from gankit.core.recipe import Recipe
from gankit.optimizers.gradient import SGD
from gankit.training.assemble import assemble, make_stepper
from gankit.training.devices import DeviceError, Devices
from gankit.training.seeds import reseed
from gankit.training.speed import Speed, choices, chosen, defaults
from gankit.training.step import Stepper
from tests.methods.small import count_calls
from tests.training.tiny import AGIT, CRITIC, CYCLE, CYCLEGAN, MUNIT, NOISY, PAIRED, STYLED, UGATIT, recipe

IDENTITY = CYCLE | {"identity": {"type": "identity", "weight": 5}}
BATCH_NORM = CYCLEGAN | {"generator": CYCLEGAN["generator"] | {"norm": "batch"}}
CAM = IDENTITY | {"cam": {"type": "cam", "weight": 10}}
PENALTY = CYCLE | {"penalty": {"type": "gradient_penalty", "weight": 1}}
CRITIC_FIRST = UGATIT | {"discriminator": CRITIC}
TRAININGS: dict[str, tuple[dict, dict]] = {
    "cyclegan": (CYCLEGAN, IDENTITY),
    "agit": (AGIT, IDENTITY),
    "ugatit": (UGATIT, CAM),
    "paired": (PAIRED, {"adversarial": "vanilla", "l1": {"type": "l1", "weight": 100}}),
    "munit": (MUNIT, STYLED),
    "dropout": (NOISY, IDENTITY),
    "batch norm": (BATCH_NORM, IDENTITY),
    "penalty": (CYCLEGAN, PENALTY),
    "penalty, critic first": (CRITIC_FIRST, PENALTY),
}
each = pytest.mark.parametrize("name", TRAININGS)


def stepper(
    name: str, speed: Speed | None = None, precision: str = "fp32", late: dict | None = None, **options: Any
) -> Stepper:
    """late: one more term."""
    torch.manual_seed(0)
    method, losses = TRAININGS[name]
    parts = assemble(recipe(method, losses | ({"late": late} if late else {})))
    parts.method.train()
    devices = Devices(torch.device("cpu"), precision)
    options = {"pool_size": 1, "optimizer": partial(SGD, lr=1e-3)} | options
    return Stepper(parts.method, parts.terms, devices=devices, speed=speed, **options)


def batch(dtype: torch.dtype = torch.float32, seed: int = 0) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(seed)
    return {field: (torch.rand(2, 3, 16, 16, generator=draws) * 2 - 1).to(dtype) for field in ("a", "b")}


def train(one: Stepper, dtype: torch.dtype = torch.float32, steps: int = 2) -> tuple[list[dict[str, float]], dict]:
    """The losses of each step, and the weights at the end."""
    one.method.to(dtype)
    losses = []
    for step in range(steps):
        reseed(0, 0, step)
        losses.append(dict(one.step(batch(dtype, step))))
    return losses, one.method.networks.state_dict()


def same(name: str, speed: Speed, dtype: torch.dtype, tolerance: float) -> None:
    plain, faster = train(stepper(name), dtype), train(stepper(name, speed), dtype)
    for ours, theirs in zip(faster[0], plain[0], strict=True):
        assert ours == pytest.approx(theirs, rel=tolerance, abs=0)
    for key, value in plain[1].items():
        torch.testing.assert_close(faster[1][key], value, rtol=tolerance, atol=tolerance, msg=key)


# -- joined calls ------------------------------------------------------------------------------------------------
@each
def test_joined_calls_are_exact(name: str) -> None:
    same(name, Speed(join_calls=True), torch.float64, 1e-12)


def calls_of(name: str, speed: Speed) -> dict[str, int]:
    one = stepper(name, speed)
    counted = count_calls(one.method)
    one.step(batch())
    return counted


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        ("cyclegan", 2, 2),  # of 3 and 3: identity with the translation, the critic's real with its fake
        ("ugatit", 2, 3),  # spectral norm counts its calls
        ("batch norm", 3, 2),
        ("dropout", 3, 2),
        ("agit", 3, 3),  # its functions do more than to call a network
    ],
)
def test_calls_are_joined_where_that_is_exact(name: str, generator: int, discriminator: int) -> None:
    plain, joined = calls_of(name, Speed()), calls_of(name, Speed(join_calls=True))
    assert plain["generator_a2b"] == plain["discriminator_a2b"] == 3
    assert (joined["generator_a2b"], joined["discriminator_a2b"]) == (generator, discriminator)


def test_pictures_of_two_sizes_are_not_joined() -> None:
    sizes = batch() | {"b": torch.zeros(2, 3, 24, 24)}
    one, plain = stepper("cyclegan", Speed(join_calls=True)), stepper("cyclegan")
    assert dict(one.step(sizes)) == pytest.approx(dict(plain.step(sizes)))


# -- checkpointed activations --------------------------------------------------------------------------------------
@each
def test_activations_computed_again_change_no_bit(name: str) -> None:
    plain, lean = train(stepper(name)), train(stepper(name, Speed(checkpoint_activations=True)))
    assert lean[0] == plain[0]
    assert all(torch.equal(value, lean[1][key]) for key, value in plain[1].items())


def kept_bytes(one: Stepper) -> int:
    """What autograd keeps at the end of the generators' forward, parameters left out."""
    own = {p.untyped_storage().data_ptr() for p in one.method.parameters()}
    kept: dict[int, int] = {}

    def pack(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return t

    turn = next(turn for turn in one.turns if turn.turn.side == "generator")
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        losses, _ = turn(batch(), {})
    assert all(loss.requires_grad for loss in losses.values())
    return sum(kept.values())


@pytest.mark.parametrize("name", ["cyclegan", "agit", "ugatit", "dropout", "munit"])
def test_activations_are_not_kept(name: str) -> None:
    assert kept_bytes(stepper(name, Speed(checkpoint_activations=True))) < 0.35 * kept_bytes(stepper(name))


# -- memory format and precision -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [name for name in TRAININGS if name != "dropout"])  # which draws in memory's order
def test_the_memory_format_changes_rounding_alone(name: str) -> None:
    same(name, Speed(channels_last=True), torch.float64, 1e-10)


def test_networks_and_pictures_lie_in_the_memory_format() -> None:
    one = stepper("cyclegan", Speed(channels_last=True))
    seen: list[Tensor] = []
    for turn in one.turns:
        turn.register_forward_pre_hook(lambda _, args: seen.extend([*args[0].values(), *args[1].values()]))
    one.step(batch())
    weights = [p for p in one.method.networks.parameters() if p.ndim == 4]
    assert seen and weights
    assert all(t.is_contiguous(memory_format=torch.channels_last) for t in [*seen, *weights])


@each
def test_bf16_gives_the_losses_of_fp32_within_its_rounding(name: str) -> None:
    (plain,), (rounded,) = train(stepper(name), steps=1)[0], train(stepper(name, precision="bf16"), steps=1)[0]
    assert rounded == pytest.approx(plain, rel=0.1, abs=0.02)
    assert rounded != plain


def test_tf32_is_of_gpus() -> None:
    with pytest.raises(DeviceError, match=r"tf32 needs a CUDA device.*train\.precision"):
        Devices.open("cpu", "tf32")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_processor_without_instructions_is_told_before_the_first_step(
    precision: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gankit.precision.processor_multiplies", lambda dtype: False)
    Devices.open("cpu", precision)
    assert f"train.precision is {precision}, and this processor has no instructions" in caplog.text
    assert "set it to fp32" in caplog.text
    caplog.clear()
    Devices.open("cpu", "fp32")
    monkeypatch.setattr("gankit.precision.processor_multiplies", lambda dtype: True)
    Devices.open("cpu", precision)
    assert not caplog.text


def test_settings_of_torch_outlive_a_step() -> None:
    before = (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark)
    with Devices(torch.device("cuda"), "tf32").arithmetic():
        assert torch.get_float32_matmul_precision() == "high" and torch.backends.cudnn.allow_tf32
    with Devices(torch.device("cuda")).arithmetic():
        assert torch.get_float32_matmul_precision() == "highest" and not torch.backends.cudnn.allow_tf32
        assert torch.backends.cudnn.benchmark
    after = (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark)
    assert after == before


def test_a_gpu_is_deterministic_where_the_recipe_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is put back
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    assert Devices.open("cpu", deterministic=True).deterministic and os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    with Devices(torch.device("cuda"), deterministic=True).arithmetic():
        assert torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.benchmark
    assert not torch.are_deterministic_algorithms_enabled()
    assert Recipe.load(recipe(deterministic=True)).train.deterministic and not Recipe.load(recipe()).train.deterministic


def test_cudnn_tries_no_algorithms_where_sizes_vary() -> None:
    one = stepper("cyclegan")
    tuned: list[bool] = []
    one.devices.arithmetic = lambda tune: tuned.append(tune) or nullcontext()  # type: ignore[method-assign]
    for side in (16, 16, 20, 24, 28, 16, 32, 16):
        one.step({field: torch.rand(1, 3, side, side) for field in ("a", "b")})
    assert tuned == [True] * 6 + [False] * 2
    with Devices(torch.device("cuda")).arithmetic(tune=False):
        assert not torch.backends.cudnn.benchmark


@pytest.mark.parametrize("newer", [None, "tf32", "ieee"])
@pytest.mark.parametrize("older", ["highest", "high"])
def test_either_way_of_asking_torch_for_tf32_outlives_a_step(older: str, newer: str | None) -> None:
    """torch refuses to read by the one way what was said by the other."""
    backends = torch.backends
    places = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.matmul)

    def settings() -> list[str]:
        return [place.fp32_precision for place in places]

    default, cudnn = settings(), backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision(older)
    if newer is not None:
        backends.cuda.matmul.fp32_precision = backends.cudnn.conv.fp32_precision = newer
    try:
        before = settings()
        for precision, inside in (("tf32", "tf32"), ("fp32", "ieee"), ("bf16", "ieee")):
            with Devices(torch.device("cuda"), precision).arithmetic():
                assert settings()[:3] == [inside] * 3
            assert settings() == before
        with Devices(torch.device("cpu")).arithmetic():
            assert settings() == before
    finally:
        torch.set_float32_matmul_precision("highest")
        backends.cudnn.allow_tf32 = cudnn
        for place, value in zip(places, default, strict=True):
            place.fp32_precision = value
        assert backends.cudnn.allow_tf32 == cudnn  # tests after this one read it


# -- what is chosen ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
@pytest.mark.parametrize("batch_size", [1, 16])
def test_defaults_have_reasons(device: str, batch_size: int) -> None:
    reasons = choices(device, batch_size)
    assert defaults(device, batch_size) == Speed(**{name: choice.value for name, choice in reasons.items()})
    assert all(choice.why for choice in reasons.values())


def test_calls_are_joined_on_a_gpu_at_small_batches() -> None:
    assert defaults("cuda", 1).join_calls and defaults("cuda", 4).join_calls
    assert not defaults("cuda", 16).join_calls and not defaults("cpu", 1).join_calls


def test_a_recipe_overrides_the_defaults() -> None:
    assert chosen(Recipe.load(recipe()).train, "cuda").join_calls
    assert not chosen(Recipe.load(recipe(join_calls=False)).train, "cuda").join_calls
    assert chosen(Recipe.load(recipe(channels_last=True)).train, "cpu") == Speed(channels_last=True)
    parts = assemble(recipe(join_calls=True, checkpoint_activations=True))
    expected = Speed(join_calls=True, checkpoint_activations=True)
    assert make_stepper(parts, Devices(torch.device("cpu"))).speed == expected


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(RecipeError, match="tf32"):
        Recipe.load(recipe(precision="fp8"))
