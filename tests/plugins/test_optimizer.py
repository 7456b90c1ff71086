"""A plugin's optimizer and schedule, through the public interface alone: named, trained, resumed, checked."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import gankit
from gankit.core import plugins
from gankit.core.catalogue import catalogue
from gankit.core.errors import RecipeError
from gankit.testing import check_component
from tests.training.conftest import Killed, kill_after, quick  # noqa: F401
from tests.training.tiny import digests, lines, recipe

HOOKS = """
from gankit import hookimpl


@hookimpl
def gankit_components(add):
    add("optimizer", "sign", "pp_sign.parts:SignDescent", "steps of one size")
    add("schedule", "cyclic", "pp_sign.parts:Cyclic", "falls and starts again")
"""
PARTS = '''
from collections.abc import Iterable
from typing import Annotated

import torch
from gankit.slots import Ge, Gt, Position


Positive = Annotated[float, Gt(0)]


class SignDescent(torch.optim.Optimizer):
    """Each weight moves by `lr` against the sign of a mean of its past gradients (arXiv 1802.04434)."""

    def __init__(self, params: Iterable[torch.Tensor], *, lr: Positive = 1e-3, mean: float = 0.5) -> None:
        super().__init__(params, {"lr": lr, "mean": mean})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    m = self.state[p].setdefault("m", torch.zeros_like(p))
                    p.sub_(m.lerp_(p.grad, 1 - group["mean"]).sign(), alpha=group["lr"])

    @staticmethod
    def state_bytes(params, **settings):
        return sum(p.nbytes for p in params)


class Cyclic:
    """From 1 to 0 in a straight line, again and again. length: of one line, in steps."""

    def __init__(self, *, length: Annotated[int, Ge(1)] = 4) -> None:
        self.length = length

    def __call__(self, position: Position) -> float:
        return 1 - position.step % self.length / self.length
'''


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    site = tmp_path_factory.mktemp("site")
    package, info = site / "pp_sign", site / "pp_sign-0.3.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text(HOOKS)
    (package / "parts.py").write_text(textwrap.dedent(PARTS))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pp-sign\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text("[gankit]\nx = pp_sign\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        patch.setenv("GANKIT_PLUGINS", "pp-sign")
        patch.setattr(plugins, "_disabled", set())
        catalogue.cache_clear()
        yield
    catalogue.cache_clear()


def chosen(**train: Any) -> dict[str, Any]:
    schedule = {"type": "warmup", "steps": 2, "then": {"type": "cyclic", "length": 4}}
    options = {"optimizer": {"type": "sign", "lr": 1e-3}, "optimizers": {"discriminator": {"lr": 2e-3}}}
    return recipe(**options | {"schedule": schedule, "log_every": 1, "save_every": 3} | train)


def test_they_train_and_go_on_exactly(kill_after: Callable[[int], None], tmp_path: Path) -> None:  # noqa: F811
    gankit.train(chosen(), tmp_path / "alone")
    rates = [line["lr"] for line in lines(tmp_path / "alone")]
    factors = [0.5, 0.75, 0.5, 0.25, 1, 0.75]
    assert [rate["generator"] for rate in rates] == pytest.approx([1e-3 * f for f in factors])
    assert [rate["discriminator"] for rate in rates] == pytest.approx([2e-3 * f for f in factors])
    kill_after(3)
    with pytest.raises(Killed):
        gankit.train(chosen(), tmp_path / "killed")
    model = gankit.train(chosen(), tmp_path / "killed", resume=True)
    assert digests(tmp_path / "killed") == digests(tmp_path / "alone")
    filled = model.recipe.filled()["train"]
    assert filled["optimizer"] == {"type": "pp-sign/sign", "lr": 1e-3, "mean": 0.5}
    assert filled["optimizers"]["discriminator"] == {"type": "pp-sign/sign", "lr": 2e-3, "mean": 0.5}
    assert filled["schedule"]["then"] == {"type": "pp-sign/cyclic", "length": 4}


def test_their_mistakes_have_a_place() -> None:
    with pytest.raises(RecipeError) as caught:
        gankit.build(chosen(optimizer={"type": "sign", "lr": 0}, schedule={"type": "cyclic", "lenght": 3}))
    assert [(p.path, p.message) for p in caught.value.problems] == [
        ("train.optimizer.lr", "must be above 0, not 0"),
        ("train.schedule.lenght", "cyclic takes no `lenght`; did you mean `length`?"),
    ]


@pytest.mark.parametrize(("kind", "name"), [("optimizer", "pp-sign/sign"), ("schedule", "cyclic")])
def test_they_pass_the_kit(kind: str, name: str) -> None:
    check_component(kind, name)
