"""The conformance kit: does a component keep what gankit promises about every component of its kind?

from gankit.testing import check_component

def test_my_norm():
    check_component("norm", "my_norm")
"""

from __future__ import annotations

from gankit.testing.report import Report, Result
from gankit.testing.run import CHECKS, check_component

__all__ = ["CHECKS", "Report", "Result", "check_component"]
