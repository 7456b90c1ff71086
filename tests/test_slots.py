"""A type checker tells a wrong part in a slot before anything runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gankit.core.builtins import BUILTINS
from tests.markdown import ROOT

pytest.importorskip("pyright")

HEAD = """
from functools import partial

from torch import Tensor, nn, optim

import gankit.optimizers as optimizers
from gankit.features import FeatureNet
from gankit.generators.resnet import ResnetGenerator
from gankit.methods.cyclegan import CycleGAN
from gankit.slots import Attended, Attention, Backbone, Discriminator, Generator, Norm
from gankit.training.step import Stepper

def norm(slot: Norm) -> None: ...
def attention(slot: Attention) -> None: ...
def generator(slot: Generator) -> None: ...
def discriminator(slot: Discriminator) -> None: ...
def backbone(slot: Backbone) -> None: ...

class Head(nn.Module):
    def __init__(self, channels: int) -> None: ...
    def forward(self, x: Tensor) -> Attended: ...

def make_norm(channels: int) -> nn.Module: ...
"""
SHORT = """
adalin, instance, cam, patch = norm_adalin, norm_instance, attention_cam, discriminator_patch
"""
PARTS = [row for row in BUILTINS if row[0] in ("norm", "attention", "generator", "discriminator", "backbone")]
RIGHT = """
norm(make_norm)
norm(lambda channels: instance(channels))
attention(Head)
norm(partial(partial(adalin, eps=1e-4), rho=0.5))
CycleGAN(generator=partial(ResnetGenerator, norm=adalin, attention=cam), discriminator=partial(patch, layers=2))
ResnetGenerator(3, 3, norm=partial(adalin, eps=1e-4))
Stepper(CycleGAN(), {}, optimizer=optimizers.Adam)
Stepper(CycleGAN(), {}, optimizer=partial(optimizers.Adam, lr=1e-4), optimizers={"generator": optim.SGD})
"""
WRONG = """
CycleGAN(generator=adalin)
CycleGAN(generator=partial(adalin, eps=1e-4))
CycleGAN(generator=ResnetGenerator(3, 3))
CycleGAN(generator=patch)
CycleGAN(discriminator=ResnetGenerator)
CycleGAN(discriminator=adalin)
CycleGAN(discriminator=patch(3))
ResnetGenerator(3, 3, attention=patch)
ResnetGenerator(3, 3, attention=partial(patch, layers=2))
ResnetGenerator(3, 3, attention=instance)
ResnetGenerator(3, 3, attention=cam(256))
ResnetGenerator(3, 3, norm=adalin(4))
ResnetGenerator(3, 3, norm="adalin")
ResnetGenerator(3, 3, norm={"type": "adalin"})
ResnetGenerator(3, 3, norm=patch)
ResnetGenerator(3, 3, norm=partial(adalin, epsilon=1e-4))
ResnetGenerator(3, 3, norm=make_norm(4))
backbone(adalin)
Stepper(CycleGAN(), {}, optimizer={"type": "adm"})
Stepper(CycleGAN(), {}, optimizer="adm")
Stepper(CycleGAN(), {}, optimizer=adalin)
"""
"""One mistake a line."""


def imports() -> Iterator[str]:
    for _, name, target, _ in PARTS:
        module, _, part = target.partition(":")
        yield f"from {module} import {part} as {variable(name)}"


def variable(name: str) -> str:
    return name.replace(".", "_").replace("-", "_")


def test_a_type_checker_finds_wrong_parts_and_takes_all_that_ship(tmp_path: Path) -> None:
    lines = [f"{kind}({kind}_{variable(name)})" for kind, name, *_ in PARTS]
    lines += [f"{kind}(partial({kind}_{variable(name)}))" for kind, name, *_ in PARTS]
    imported = [line.replace(" as ", f" as {kind}_") for (kind, *_), line in zip(PARTS, imports(), strict=True)]
    right = "\n".join([*imported, HEAD, SHORT, *lines, RIGHT])
    file = tmp_path / "lines.py"
    file.write_text(right + WRONG)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(ROOT)]}))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(tmp_path)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)["generalDiagnostics"]
    text = file.read_text().splitlines()
    found = {text[one["range"]["start"]["line"]] for one in told if one["severity"] == "error"}
    assert found == {line for line in WRONG.splitlines() if line}
