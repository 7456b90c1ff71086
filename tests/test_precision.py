"""What the processor can multiply in half precision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gankit import precision
from gankit.precision import processor_multiplies

AVX2 = {"avx2", "fma3", "f16c"}
AVX512 = AVX2 | {"avx512_f", "avx512_vnni"}


@pytest.fixture(autouse=True)
def asked_again() -> Iterator[None]:
    precision._instructions.cache_clear()
    yield
    precision._instructions.cache_clear()


@pytest.mark.parametrize(
    ("has", "bf16", "fp16"),
    [
        (AVX2, False, False),
        (AVX512, False, False),
        (AVX512 | {"avx512_bf16"}, True, False),
        (AVX512 | {"avx512_bf16", "amx_tile", "amx_bf16", "avx512_fp16"}, True, True),
        ({"neon", "fp16_arith"}, False, True),
        ({"neon", "fp16_arith", "bf16", "sve", "sve_bf16"}, True, True),
    ],
    ids=["AVX2", "AVX512", "AVX512 with bf16", "AMX", "ARM", "ARM with bf16"],
)
def test_torch_tells(monkeypatch: pytest.MonkeyPatch, has: set[str], bf16: bool, fp16: bool) -> None:
    names = AVX512 | {"avx512_bf16", "amx_bf16", "avx512_fp16", "fp16_arith", "bf16", "sve_bf16"}
    told = {name: name in has for name in names | has} | {"architecture": "x86_64", "l2_cache_size": 2**19}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told, raising=False)
    assert [processor_multiplies(dtype) for dtype in (torch.bfloat16, torch.float16)] == [bf16, fp16]


@pytest.mark.parametrize(
    ("text", "bf16", "fp16"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 f16c\nvmx flags\t: bf16\n", False, False),
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16\n\nprocessor\t: 1\nflags\t\t: fpu\n", True, False),
        ("processor\t: 0\nFeatures\t: fp asimd fphp asimdhp\n", False, True),
        ("processor\t: 0\nFeatures\t: fp asimd asimdhp i8mm bf16\n", True, True),
        ("nothing of the kind\n", False, False),
        (None, False, False),
    ],
    ids=["AVX2", "AVX512 with bf16", "ARM", "ARM with bf16", "unknown", "not Linux"],
)
def test_linux_tells_where_torch_does_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, bf16: bool, fp16: bool
) -> None:
    file = tmp_path / "cpuinfo"
    if text is not None:
        file.write_text(text)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(precision, "CPUINFO", file)
    assert [processor_multiplies(dtype) for dtype in (torch.bfloat16, torch.float16)] == [bf16, fp16]


def test_every_processor_multiplies_floats() -> None:
    assert processor_multiplies(torch.float32) and processor_multiplies(torch.float64)
