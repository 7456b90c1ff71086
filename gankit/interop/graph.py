"""A trained method as one graph: what `gankit export` writes to ONNX and torch.export, and holds against the method."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from gankit.core.errors import GankitError
from gankit.methods.base import Method
from gankit.methods.plan import evaluate
from gankit.methods.styled import Styled

TOLERANCE = 1e-3
"""The largest difference, of pictures in [-1, 1], that counts as the same network: an eighth of a grey level."""


class Translator(nn.Module):
    """One direction of a method as a function of its inputs alone, without padding: sides are multiples of
    `multiple`."""

    def __init__(self, method: Method, direction: str) -> None:
        super().__init__()
        self.method, self.direction = method, direction
        self.names = (*method.inputs, *(("style",) if isinstance(method, Styled) else ()))
        self.fixed = method.fixed_size
        self.multiple = 1 if self.fixed else method.size_multiple
        self.smallest = -(-max(method.min_size, 2) // self.multiple) * self.multiple

    def forward(self, *inputs: Tensor) -> Tensor:
        known = dict(zip(self.names, inputs, strict=True))
        return evaluate(self.method, self.direction, {}, [self.method.result], known)[self.method.result]

    @property
    def takes_pictures(self) -> bool:
        return "source" in self.names

    def example(self, batch: int, height: int, width: int, channels: int) -> tuple[Tensor, ...]:
        """Drawn inputs: pictures in [-1, 1], holes of a third, styles and noise from N(0, 1)."""
        made = []
        for name in self.names:
            if name == "source":
                made.append(torch.rand(batch, channels, height, width) * 2 - 1)
            elif name == "hole":
                made.append((torch.rand(batch, 1, height, width) < 0.3).float())
            elif name == "style":
                assert isinstance(self.method, Styled)
                made.append(torch.randn(batch, self.method.style_channels))
            else:
                made.append(self.method.draw(batch)[name])  # type: ignore[operator]
        return tuple(made)

    def dynamic(self) -> tuple[tuple[dict[int, Any], ...]]:
        """Which axes of the inputs are free."""
        batch = Dim("batch", min=1, max=1024)
        if not self.takes_pictures or self.fixed:
            return (tuple({0: batch} for _ in self.names),)
        low, high = max(1, self.smallest // self.multiple), 16384 // self.multiple
        sides = {2: self.multiple * Dim("h", min=low, max=high), 3: self.multiple * Dim("w", min=low, max=high)}
        return (tuple({0: batch} | (sides if name in ("source", "hole") else {}) for name in self.names),)

    def sizes(self) -> list[tuple[int, int, int]]:
        """(batch, height, width) of two examples that differ in everything that is free."""
        if self.fixed:
            return [(2, self.fixed, self.fixed), (1, self.fixed, self.fixed)]
        side = -(-max(self.smallest + self.multiple, 64) // self.multiple) * self.multiple
        return [(2, side, side + self.multiple), (1, side + 3 * self.multiple, side)]


def capture(translator: Translator, channels: int) -> torch.export.ExportedProgram:
    """The graph. Raises GankitError, in words, for a network that torch.export cannot take."""
    inputs = translator.example(*translator.sizes()[0], channels)
    try:
        with _quiet(), torch.no_grad():
            return torch.export.export(translator, inputs, dynamic_shapes=translator.dynamic())
    except Exception as e:  # it raises whatever its tracer met
        raise GankitError(f"torch.export cannot take this method: {str(e).strip().splitlines()[0]}") from e


def write_torch(program: torch.export.ExportedProgram, path: Path) -> Callable[[Sequence[Tensor]], Tensor]:
    """Write a `.pt2` file; returns what runs it, read back."""
    with _quiet():
        torch.export.save(program, path)
        module = torch.export.load(path).module()
    return lambda inputs: module(*inputs)


def write_onnx(
    program: torch.export.ExportedProgram, translator: Translator, path: Path, metadata: dict[str, str]
) -> Callable[[Sequence[Tensor]], Tensor]:
    """Write an ONNX file; returns what runs it in onnxruntime. Raises GankitError when a package is missing."""
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - torch.onnx needs it
    except ImportError as e:
        raise GankitError(f"{e.name} is not installed: pip install 'gankit[export]'") from e
    with _quiet():
        written = torch.onnx.export(program, input_names=list(translator.names), output_names=["output"])
    assert written is not None
    model = written.model_proto
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(inputs: Sequence[Tensor]) -> Tensor:
        given = {name: x.numpy() for name, x in zip(translator.names, inputs, strict=True)}
        return torch.from_numpy(session.run(None, given)[0])

    return run


@torch.no_grad()
def largest_difference(
    translator: Translator, run: Callable[[Sequence[Tensor]], Tensor], inputs: Sequence[Sequence[Tensor]]
) -> float:
    """Of the pictures that both make of the same inputs."""
    worst = 0.0
    for given in inputs:
        ours, theirs = translator(*given), run(given)
        if ours.shape != theirs.shape:
            raise GankitError(
                f"the exported graph makes {tuple(theirs.shape)} where the method makes {tuple(ours.shape)}"
            )
        worst = max(worst, float((ours - theirs).abs().max().nan_to_num(nan=float("inf"))))
    return worst


@contextmanager
def _quiet() -> Any:
    """Exporters talk much, of themselves."""
    import logging

    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
