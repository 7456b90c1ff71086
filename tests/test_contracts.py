"""What parts declare about themselves is read in one place, and written down there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from gankit.codecs.base import Codec
from gankit.contracts import (
    CONTRACTS,
    BackboneContract,
    CodecContract,
    Contract,
    GeneratorContract,
    MethodContract,
    MetricContract,
    NormContract,
    contract_of,
)
from gankit.contracts.declared import spelled_type
from gankit.core.catalogue import catalogue
from gankit.core.registry import KINDS
from gankit.evaluation.metrics import Metric
from gankit.features import FeatureNet
from gankit.generators.resnet import ResnetGenerator
from gankit.generators.unet import UNetGenerator
from gankit.methods.base import Method
from gankit.norms.instance import InstanceNorm
from gankit.testing import check_component
from tests.markdown import ROOT

FILES = [
    path
    for folder in ("gankit", *(f"plugins/{one.name}" for one in (ROOT / "plugins").iterdir()))
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not path.is_relative_to(ROOT / "gankit" / "contracts")
]
ALLOWED = {
    ("gankit/precision.py", "get_capabilities"): "of torch.cpu: newer releases alone have it",
    ("gankit/precision.py", "conv"): "of torch.backends.cudnn: newer releases alone have it",
    ("gankit/backbones/timm.py", "output_fmt"): "of timm's networks: not all have it",
    **{
        ("plugins/gankit-modern/gankit_modern/structure.py", name): "of timm's networks: not all have it"
        for name in ("attn", "model")
    },
}
"""(file, name) of what may be read by its name in text elsewhere, and why: of other libraries' objects alone."""


def read_by_name(path: Path) -> Iterator[tuple[str, str]]:
    """The names in `getattr(x, "name")` and `hasattr(x, "name")`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=[_, ast.Constant(value=str(name)), *_]):
                yield str(path.relative_to(ROOT)), name


def test_attributes_of_parts_are_read_by_contracts_alone() -> None:
    assert {found for path in FILES for found in read_by_name(path)} == ALLOWED.keys()


def test_the_reader_of_names_sees_them() -> None:
    assert len(FILES) > 100
    path = ROOT / "gankit" / "contracts" / "declared.py"
    assert not list(read_by_name(path))  # by variables alone
    assert list(read_by_name(ROOT / "gankit" / "contracts" / "norm.py")) == [("gankit/contracts/norm.py", "bias")]


def test_every_kind_has_a_contract() -> None:
    assert set(CONTRACTS) >= set(KINDS)
    assert all(contract.kind == kind for kind, contract in CONTRACTS.items())


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda c: c.kind)
def test_defaults_are_of_their_types(contract: type[Contract]) -> None:
    defaults = {name: field.default for name, field in contract.declared().items() if field.otherwise is None}
    assert not contract(SimpleNamespace(**defaults)).faults()


@pytest.mark.parametrize(
    ("contract", "base"), [(MethodContract, Method), (MetricContract, Metric), (CodecContract, Codec)]
)
def test_a_base_class_has_the_attributes_of_its_contract(contract: type[Contract], base: type) -> None:
    own = {name: field.default for name, field in contract.declared().items() if name not in Contract.declared()}
    assert {name: getattr(base, name) for name in own} == own


def test_the_base_of_backbones_has_the_attributes_of_their_contract() -> None:
    read = BackboneContract(FeatureNet)
    assert (read.network, read.suggested) == (FeatureNet.network, FeatureNet.suggested)
    assert isinstance(FeatureNet.default_layers, property)


def test_a_part_its_class_and_its_factory_can_be_asked() -> None:
    factory = partial(partial(UNetGenerator, downs=3), channels=2)
    assert GeneratorContract(factory(3, 3)).size_multiple == 8
    assert GeneratorContract(factory).size_multiple == 1  # its objects alone know
    assert GeneratorContract(partial(ResnetGenerator, blocks=1)).size_multiple == 4
    assert GeneratorContract(ResnetGenerator).offers == frozenset()  # a property


def test_a_default_may_depend_on_the_part() -> None:
    assert NormContract(nn.Identity()).conv_bias and NormContract(InstanceNorm(4, affine=True)).conv_bias
    assert not NormContract(nn.BatchNorm2d(4)).conv_bias
    assert NormContract(nn.BatchNorm2d(4, affine=False)).conv_bias


class Misspelt(nn.Module):
    size_multipel = 4
    factors = "many"  # no factor

    def __init__(self, out_channels: int, max_size: int, feature_name: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.out_channels, self.max_size, self.feature_name = out_channels, max_size, feature_name
        self.fixd_size = 8


def test_a_slip_of_the_pen_is_told_and_an_own_attribute_is_none() -> None:
    assert GeneratorContract(Misspelt(3, 64)).faults() == [
        "a generator declares no `size_multipel`; did you mean `size_multiple`?",
        "a generator declares no `fixd_size`; did you mean `fixed_size`?",
    ]


@pytest.mark.parametrize(
    ("kind", "declared", "says"),
    [
        ("generator", {"min_size": "8"}, "`min_size` is int >= 1, not '8'"),
        ("generator", {"min_size": 0}, "`min_size` is int >= 1, not 0"),
        ("generator", {"takes": ("hole",)}, "`takes` is Mapping[str, Field], not ('hole',)"),
        ("generator", {"offers": {"attention"}}, "`offers` is frozenset[str], not {'attention'}"),
        ("generator", {"fixed_size": 1.5}, "`fixed_size` is int >= 1 | None, not 1.5"),
        ("norm", {"fuses": 1}, "`fuses` is bool, not 1"),
        ("norm", {"coefficients": 3}, "`coefficients` is a function | None, not 3"),
        ("metric", {"better": "larger"}, "`better` is 'higher' | 'lower' | 'one', not 'larger'"),
        ("method", {"fields": {"a2b": ("a", "b")}}, "`fields` is Mapping[str, Mapping[str, str]]"),
    ],
)
def test_a_wrong_type_is_told(kind: str, declared: dict[str, Any], says: str) -> None:
    (fault,) = contract_of(kind, SimpleNamespace(**declared)).faults()
    assert fault.startswith(says)


def test_types_are_spelled_as_code_has_them() -> None:
    spelled = {name: spelled_type(hint) for name, hint in GeneratorContract.value_types().items()}
    assert spelled["size_multiple"] == "int >= 1"
    assert spelled["stages"] == "a function | None"
    assert spelled["offers"] == "frozenset[str]"


@pytest.mark.parametrize("contract", [c for c in CONTRACTS.values() if c.interface.example], ids=lambda c: c.kind)
def test_an_example_keeps_the_contract_of_its_kind(
    contract: type[Contract], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = contract.interface.example
    (name,) = re.findall(rf'@gankit.register\("{contract.kind}", "(\w+)"\)', example)
    (tmp_path / f"example_{name}.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        import_module(f"example_{name}")
        assert check_component(contract.kind, name).ok
    finally:
        catalogue.cache_clear()  # what the example has registered
