"""Marks on the functions of methods: what they are to a plan."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

OFFERS = "__offers_tensor__"
"""It is an offered tensor, whose name is the function's."""
APPLIES = "__applies_network__"
"""It calls a network on a picture, nothing more."""


def marked(function: F, mark: str) -> F:
    """The function, marked."""
    vars(function)[mark] = True
    return function


def is_marked(value: object, mark: str) -> bool:
    """Whether this is a function, bound or not, that bears the mark."""
    function = value.__func__ if isinstance(value, MethodType) else value
    return isinstance(function, FunctionType) and mark in vars(function)
