"""Triton compiles the kernels for GPUs that are not here; what they load and store is 16 bytes wide."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import re
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from gankit.kernels import normalize_triton as kernels

FLOATS = {"slope", "eps"}
HALF = {"x", "y", "dy", "dx", "dz_out", "residual"}
OTHER = {"stats", "means", "squares", "firsts", "seconds", "found", "weight", "bias", "mix"}
FLAGS = {"RESIDUAL", "ACTIVE", "BY_Y", "SUMS", "GROUPED", "MIXED", "WEIGHT", "BIAS", "UNBIASED"}

def kind(name, constants):
    if name in constants:
        return "constexpr"
    return "*bf16" if name in HALF else "*fp32" if name in OTHER else "fp32" if name in FLOATS else "i32"

def ptx(kernel, capability, **constants):
    names = kernel.arg_names
    constants = {k: v for k, v in constants.items() if k in names}  # an argument that is 1 is compiled as a constant
    constants |= {name: name != "BY_Y" for name in names if name in FLAGS}
    signature = {name: kind(name, constants) for name in names}
    whole = [i for i, name in enumerate(names) if signature[name] not in ("constexpr", "fp32")]
    aligned = {(i,): [["tt.divisibility", 16]] for i in whole}  # as with sizes that are multiples of 16
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=aligned)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32)).asm["ptx"]

ONES = dict.fromkeys(("N", "C", "P", "width", "splits", "w_n"), 1)
for capability in (80, 90):
    for layout in ({"x_p": 1, "BC": 1, "BP": 2048}, {"x_c": 1, "BC": 64, "BP": 32}):
        for name in ("_statistics", "_apply", "_reduce", "_apply_backward"):
            text = ptx(getattr(kernels, name), capability, **layout)
            assert "ld.global.v4" in text, (capability, layout, name)
            assert "apply" not in name or "st.global.v4" in text, (capability, layout, name)
    for name in ("_blend", "_chain"):
        ptx(getattr(kernels, name), capability, BC=256, BS=16)
        ptx(getattr(kernels, name), capability, BC=1, BS=1, **ONES)
print("compiled")
"""


@pytest.mark.slow
def test_the_kernels_compile_for_gpus() -> None:
    pytest.importorskip("triton")
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "compiled", done.stderr[-2000:]
