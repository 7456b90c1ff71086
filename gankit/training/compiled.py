"""Functions compiled whole by torch.compile."""

from __future__ import annotations

import logging
from collections.abc import Callable
from inspect import signature
from typing import Any

import torch

BACKEND = "inductor"
APART: dict[str, Any] = (
    {"isolate_recompiles": True} if "isolate_recompiles" in signature(torch.compile).parameters else {}
)
"""Turns share their code, for which older versions of torch keep 8 compiled forms in all."""


class Compiled:
    """A function that torch.compile makes one graph of, without breaks; uncompiled once the compiler has failed.

    It is compiled at the first call, and again for other shapes and other Python values that it reads: the phase of a
    method, the terms that count. That takes from seconds to minutes each time. Where the compiler fails, the call is
    made uncompiled, with a warning that says why, and so are all later ones. An error of the function itself is raised
    as ever.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function, self.name = function, name
        self.compiled: Callable[..., Any] | None = torch.compile(
            function, fullgraph=True, dynamic=False, backend=BACKEND, **APART
        )

    def __call__(self, *args: Any) -> Any:
        if self.compiled is None:
            return self.function(*args)
        try:
            return self.compiled(*args)
        except Exception as error:  # a compiler has a hundred ways to fail
            result = self.function(*args)
            self.compiled = None
            text = "train.compile: %s cannot be compiled and runs uncompiled from now on: %s"
            logging.getLogger(__name__).warning(text, self.name, _first_line(error))
            return result


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
