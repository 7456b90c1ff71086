"""The cross product: every generator with every norm and attention head that it has a slot for, and every method with
every loss, take a step. What does not fit is refused in words, and only what is expected is refused.

Components come from the registry, so that a new one joins by itself; where it is refused, the tables below say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_origin

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from gankit.core.builtins import BUILTINS
from gankit.core.catalogue import catalogue
from gankit.core.errors import BuildError
from gankit.core.schema import build_component, spec_of
from gankit.features import FeatureLoss
from gankit.methods.base import Method, image_of
from gankit.methods.plan import Term, plan_turns
from gankit.testing.calls import GeneratorCall
from gankit.testing.subject import HOST_ARGUMENTS, small_arguments
from gankit.training.devices import Devices
from gankit.training.step import Stepper

SIDE = 32
SIDES = {"ugatit": 96, "munit": 64}  # its critics see a quarter of the picture too


def names(kind: str) -> list[str]:
    return [row[1] for row in BUILTINS if row[0] == kind]


def small(kind: str, name: str, **options: Any) -> Any:
    """A component as a recipe makes it, small. `options` are laid over the small values."""
    entry = catalogue().find(kind, name)
    return build_component(spec_of(entry).model_validate({"type": name, **small_arguments(entry), **options}))


def trained(network: nn.Module) -> nn.Module:
    """The network after a step of SGD towards black; every parameter that has a gradient has moved to a finite one."""
    call = GeneratorCall(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    image = image_of(network.train()(*call.inputs(2, call.size())))
    (image + 1).square().mean().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    optimizer.step()
    assert all(bool(p.isfinite().all()) for p in network.parameters())
    return network


# -- generators x norms x attention heads ------------------------------------------------------------------------------
ADAPTIVE = {"adain", "adalin"}
"""Norms whose scale and offset come from a style."""
STYLED = {"resnet", "ugatit", "munit"}
"""Generators that have a style for them; the others refuse adaptive norms."""


def slots(generator: str) -> tuple[bool, bool]:
    """Whether a generator's `norm` and `attention` can be chosen."""
    fields = spec_of(catalogue().find("generator", generator)).model_fields
    heads = "attention" in fields and get_origin(fields["attention"].annotation) is not Literal  # lbam's is a function
    return "norm" in fields, heads


def recipes() -> Iterator[tuple[str, str | None, str | None]]:
    for generator in names("generator"):
        norm, attention = slots(generator)
        for n in names("norm") if norm else [None]:
            for head in [None, *names("attention")] if attention else [None]:
                yield generator, n, head


def expected_refusals(generator: str) -> set[tuple[str, str | None, str | None]]:
    return {row for row in recipes() if row[0] == generator and row[1] in ADAPTIVE and generator not in STYLED}


@pytest.mark.parametrize("generator", names("generator"))
def test_generators(generator: str) -> None:
    refused = {}
    for row in recipes():
        if row[0] != generator:
            continue
        _, norm, head = row
        options: dict[str, Any] = {"norm": norm} if norm else {}
        if slots(generator)[1]:
            options["attention"] = head
        torch.manual_seed(0)
        try:
            network = small("generator", generator, **options)(*HOST_ARGUMENTS["generator"])
        except (ValueError, BuildError) as error:
            refused[row] = str(error)
            continue
        trained(network)
    for row in refused.keys() ^ expected_refusals(generator):
        told = f"is refused: {refused[row]}" if row in refused else "takes a step, and should be refused"
        raise AssertionError(
            f"{' with '.join(filter(None, row))} {told}. Where that is right, put an adaptive norm in ADAPTIVE, and a "
            f"generator that has a style for it in STYLED, of {Path(__file__).name}"
        )
    assert all(len(reason) > 20 for reason in refused.values())


# -- methods x losses ------------------------------------------------------------------------------------------------
OF_CRITICS = {"lsgan", "vanilla", "hinge", "wgan", "gradient_penalty", "r1"}
OF_OUTPUT = {"total_variation"}
OF_TRUTH = {"l1", "pixel", "perceptual", "lpips"}
TWO_WAY = OF_CRITICS | OF_OUTPUT | OF_TRUTH | {"cycle", "identity"}
FITTING: dict[str, set[str]] = {
    "cyclegan": TWO_WAY | {"feature_matching", "motion"},
    "attention_guided": TWO_WAY | {"feature_matching", "attention_area", "motion"},
    "ugatit": TWO_WAY | {"cam", "attention_area", "motion"},
    "paired": OF_CRITICS | OF_OUTPUT | OF_TRUTH | {"feature_matching", "motion"},
    "inpainting": OF_CRITICS | OF_OUTPUT | OF_TRUTH | {"masked_l1", "masked_variation", "motion"},
    "style": OF_OUTPUT | {"gram_style", "motion"},
    "super_resolution": OF_OUTPUT | OF_TRUTH | {"motion"},
    "gatys": OF_OUTPUT | OF_TRUTH | {"gram_style"},
    "gan": OF_CRITICS | OF_OUTPUT | OF_TRUTH,
    "munit": TWO_WAY | {"feature_matching"},
}
"""The losses that take a step with each method as it is; all others are refused."""


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("style") / "style.png"
    Image.new("RGB", (SIDE, SIDE), "teal").save(path)
    return str(path)


def method_of(name: str, picture: str) -> Method:
    fields = spec_of(catalogue().find("method", name)).model_fields
    torch.manual_seed(0)
    options: dict[str, Any] = {field: picture for field in ("style", "content") if field in fields}
    if name == "gatys":
        options |= {"size": SIDE, "start": "noise"}  # from its content a loss on the content has nothing to learn
    return small("method", name, **options)


def batch(side: int) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(0)
    pictures = {field: torch.rand(2, 3, side, side, generator=draws) * 2 - 1 for field in ("a", "b")}
    mask = torch.zeros(2, 1, side, side)
    mask[..., 8:20, 10:24] = 1
    return {**pictures, "mask": mask}


@pytest.mark.parametrize("method", names("method"))
def test_methods(method: str, picture: str) -> None:
    fitting, refused = set(), {}
    for name in names("loss"):
        made = method_of(method, picture)
        loss = small("loss", name)
        try:
            plan_turns(made, {name: Term(loss)})
        except BuildError as error:
            refused[name] = error.message
            continue
        try:
            step(made, name, loss, SIDES.get(method, SIDE))
        except ValueError as error:  # a tensor of that name, and of another kind
            refused[name] = f"loss: {error}"
            continue
        fitting.add(name)
    wrong = sorted(fitting ^ FITTING.get(method, set()))
    told = [f"{name} is refused ({refused[name]})" if name in refused else f"{name} takes a step" for name in wrong]
    assert not wrong, (
        f"with {method}, {'; '.join(told)}. Where that is right, the row of FITTING in {Path(__file__).name} "
        f"is {method!r}: {sorted(fitting)}"
    )
    assert all("loss" in reason for reason in refused.values())


def step(method: Method, name: str, loss: nn.Module, side: int) -> None:
    before = {key: value.clone() for key, value in method.networks.named_parameters()}
    losses = Stepper(method.train(), {name: loss}, pool_size=0, devices=Devices(torch.device("cpu"))).step(batch(side))
    assert losses and all(key.split("/")[1] == name for key in losses)
    moved = [key for key, value in method.networks.named_parameters() if not torch.equal(value, before[key])]
    assert moved or isinstance(loss, FeatureLoss)
