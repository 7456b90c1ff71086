from __future__ import annotations

import re

import pytest
import torch

from gankit.core.registry import Registry, UnknownName
from gankit.testing import CHECKS, check_component
from tests.testing import bad_components as bad

# check -> (the component that breaks it, what the reason says)
BREAKERS: dict[str, tuple[str, str]] = {
    "schema": ("BadSchema", "groups"),
    "defaults": ("BadDefaults", "do not fall into 3 groups"),
    "sample": ("BadSample", "returns its input's shape"),
    "odd_sizes": ("BadOddSizes", "shape"),
    "batch_one": ("BadBatchOne", "returns its input's shape"),
    "gradients": ("BadGradients", "no gradient reaches unused"),
    "bfloat16": ("BadBFloat16", "off float32's"),
    "channels_last": ("BadChannelsLast", "view"),
    "pickle": ("BadPickle", "pickle"),
    "deepcopy": ("BadDeepcopy", "shares parameters"),
    "state_dict": ("BadStateDict", "loaded state"),
    "export": ("BadExport", "data-dependent"),
    "compile": ("BadCompile", "data-dependent|Data-dependent"),
    "repr": ("BadRepr", "hidden_size"),
    "docstring": ("BadDocstring", "no shapes"),
}


@pytest.fixture
def kit(monkeypatch: pytest.MonkeyPatch):
    """Checks a class that is registered for this test alone."""

    def check(kind: str, make: type, **options):
        row = (kind, "tested", f"{make.__module__}:{make.__qualname__}", "")
        monkeypatch.setattr("gankit.testing.subject.components", lambda: Registry([row]))
        return check_component(kind, "tested", **options)

    return check


def test_every_check_has_a_breaker():
    assert tuple(BREAKERS) == CHECKS


@pytest.mark.parametrize("check", CHECKS)
def test_a_bad_component_fails_its_check_alone(kit, check):
    name, reason = BREAKERS[check]
    report = kit("norm", getattr(bad, name), raise_on_failure=False)
    assert report.failed == (check,)
    assert re.search(reason, report[check].reason), report[check].reason


@pytest.mark.parametrize("contract", bad.CONTRACTS, ids=lambda c: c.make.__name__)
def test_a_breach_of_the_kinds_contract_fails_the_sample(kit, contract):
    with pytest.raises(AssertionError, match=contract.reason):
        kit(contract.kind, contract.make)
