from __future__ import annotations

import re

import pytest
import torch

from gankit.core.registry import Entry
from gankit.core.schema import parameters_of
from gankit.testing import CHECKS, check_component
from tests.testing import bad_components as bad
from tests.testing.planted import DEFECTS

# check -> (the component that breaks it, what the reason says)
BREAKERS: dict[str, tuple[str, str]] = {
    "schema": ("BadSchema", "groups"),
    "defaults": ("BadDefaults", "do not fall into 3 groups"),
    "declares": ("BadDeclares", "did you mean `cancels_bias`"),
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
    "promises": ("UnfusedNorm", "states `fuses`"),
}


def test_every_check_has_a_breaker():
    planted = {str(defect.__doc__).partition(":")[0] for defect in DEFECTS}  # tests/testing/test_conduct.py
    assert {*BREAKERS, *planted} == {*CHECKS}, "a new check needs a component here that fails it alone"


@pytest.mark.parametrize("check", BREAKERS)
def test_a_bad_component_fails_its_check_alone(kit, check):
    name, reason = BREAKERS[check]
    report = kit("norm", getattr(bad, name), raise_on_failure=False)
    assert report.failed == (check,)
    assert re.search(reason, report[check].reason), report[check].reason


@pytest.mark.parametrize("contract", bad.CONTRACTS, ids=lambda c: c.make.__name__)
def test_a_breach_of_the_kinds_contract_fails_the_sample(kit, contract):
    with pytest.raises(AssertionError, match=contract.reason):
        kit(contract.kind, contract.make)


def test_what_cannot_be_described_is_not_run(kit):
    report = kit("norm", bad.UntypedParameter, raise_on_failure=False)
    assert report.failed == ("schema",)  # what has no schema cannot be built from a recipe
    assert report["docstring"].status == "passed"
    assert {report[name].status for name in CHECKS if name not in ("schema", "docstring")} == {"not run"}


def test_nothing_is_called_that_declares_wrong_types(kit):
    report = kit("generator", bad.TextualGenerator, raise_on_failure=False)
    assert report.failed == ("declares",) and report["declares"].reason == "`min_size` is int >= 1, not '8'"
    assert report["sample"].status == "not run" and report["sample"].reason == "`declares` failed"
    assert report["docstring"].status == "passed"


def test_gradients_are_tried_on_flat_inputs(kit):
    report = kit("norm", bad.NaNOnFlat, raise_on_failure=False)
    assert "gradient on zeros is not finite" in report["gradients"].reason


def test_a_generator_keeps_the_sizes_that_it_states(kit):
    report = kit("generator", bad.ShrinkingGenerator, raise_on_failure=False)
    assert report.failed == ("odd_sizes",)


def test_the_failure_names_component_check_and_cause(kit):
    with pytest.raises(AssertionError) as failure:
        kit("norm", bad.BadGradients)
    first, second, *_ = str(failure.value).splitlines()
    assert first == "norm tested does not conform:"
    assert second == "  gradients: no gradient reaches unused"


def test_the_report_prints_every_check(kit):
    report = kit("norm", bad.Good)
    assert report.ok and [line.split()[0] for line in str(report).splitlines()[1:]] == list(CHECKS)
    with pytest.raises(KeyError, match="no check is called 'speed'"):
        report["speed"]


def test_samples_for_unknown_arguments_can_be_given(kit):
    assert kit("loss", bad.SpeechLoss, inputs={"speech": torch.randn(2, 100)}).ok


def test_a_loss_is_given_pictures_of_the_size_that_it_takes(kit):
    assert kit("loss", bad.WideLoss).ok


def test_what_does_not_apply_says_why():
    report = check_component("loss", "r1")
    assert report["export"].status == "not applicable" and "takes a network" in report["export"].reason
    report = check_component("generator", "ugatit", overrides={"channels": 4, "light": False, "image_size": 8})
    assert report["odd_sizes"].reason == "it takes only 8 x 8"


def test_overrides_reach_the_component(kit):
    report = kit("norm", bad.BadDefaults, overrides={"groups": 2}, raise_on_failure=False)
    assert report.failed == ("defaults",) and report["sample"].status == "passed"


def test_an_unknown_name_is_a_lookup_error():
    with pytest.raises(LookupError, match="did you mean 'adalin'"):
        check_component("norm", "adalinn")


def test_a_module_without_init_has_a_schema_after_torch_compile():
    # torch.compile replaces nn.Module.__init__ by a function of another name.
    torch.compile(torch.nn.Identity(), backend="eager")(torch.ones(1))
    assert parameters_of(Entry("loss", "speech", bad.SpeechLoss)) == {}
