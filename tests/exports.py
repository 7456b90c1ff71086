"""What tests of exported graphs share: where torch is older than its exporter must be, they are skipped."""

from __future__ import annotations

import pytest
import torch

from gankit.interop import graph

exports = pytest.mark.skipif(
    graph.too_old(), reason=f"graphs are exported by torch {graph.OLDEST} or later, and this is {torch.__version__}"
)
