"""A trained method as one graph: what `gankit export` writes to ONNX and torch.export, and holds against the method."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from packaging.version import Version
from torch import Tensor, nn
from torch.export import Dim

from gankit.core.errors import GankitError
from gankit.fields import Field
from gankit.methods.base import Method
from gankit.methods.resolve import Resolver, compute

OLDEST = "2.10"
"""The first torch whose exporter takes gankit's networks. Older ones fail at most of them, each in another way."""
LARGEST = 16384
TOLERANCE = 1e-3
"""The largest difference, of pictures in [-1, 1], that counts as the same network: an eighth of a grey level."""


class Translator(nn.Module):
    """One direction of a method as a function of only its inputs, of any size from `smallest` on.

    (N, C, H, W) in [-1, 1] and what else `names` says -> the picture that `method.translate` makes. It pads and crops
    as that does, by picking rows and columns: that leaves no trace of one size in a graph. A network of one size takes
    pictures of that size only, and dropout that a method keeps for its noise is off. Only networks that the direction
    uses are in it.
    """

    def __init__(self, method: Method, direction: str) -> None:
        super().__init__()
        self.kinds = kinds_of(method, direction)
        self.names = tuple(method.draw(1) or self.kinds)
        self.direction, self.fixed = direction, method.fixed_size
        self.multiple = 1 if self.fixed else method.size_multiple
        self.smallest = -(-max(method.min_size, 2) // self.multiple) * self.multiple
        self._method = (method,)  # not as a module: critics are not exported
        self.networks = nn.ModuleDict({key: method.networks[key] for key in networks_behind(method, direction)})

    @property
    def method(self) -> Method:
        return self._method[0]

    def train(self, mode: bool = True) -> Translator:
        """The networks stay as the method has them: pix2pix's batch norms take the picture's own statistics."""
        self.training = mode
        return self

    def forward(self, *inputs: Tensor) -> Tensor:
        known = dict(zip(self.names, inputs, strict=True))
        source = known.get("source")
        known |= {name: self._padded(known[name]) for name, kind in self.kinds.items() if kind.spatial}
        image = compute(self.method, self.direction, {}, [self.method.result], known)[self.method.result]
        if source is not None and self.multiple > 1:
            for axis in (2, 3):
                image = image.index_select(axis, torch.arange(self.method.scale * source.shape[axis]))
        return image.clamp(-1, 1)

    def _padded(self, picture: Tensor) -> Tensor:
        """Reflected at the right and bottom, to multiples of `multiple`."""
        for axis in (2, 3) if self.multiple > 1 else ():
            side = picture.shape[axis]
            place = torch.arange(self.multiple * ((side + self.multiple - 1) // self.multiple))
            picture = picture.index_select(axis, torch.where(place < side, place, 2 * (side - 1) - place))
        return picture

    @property
    def takes_pictures(self) -> bool:
        return "source" in self.names

    @torch.no_grad()
    def reference(self, inputs: Sequence[Tensor]) -> Tensor:
        """What the method itself makes of the inputs."""
        with still(self.method):
            return self.method.translate(dict(zip(self.names, inputs, strict=True)), self.direction)

    def example(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        """Drawn inputs, each of its kind; the noise of methods that draw."""
        if (drawn := self.method.draw(batch)) is not None:
            return tuple(drawn[name] for name in self.names)
        return tuple(kind.draw(batch, (height, width)) for kind in self.kinds.values())

    def dynamic(self) -> tuple[tuple[dict[int, Dim], ...]]:
        """Which axes of the inputs are free."""
        batch = Dim("batch", min=1, max=1024)
        if not self.takes_pictures or self.fixed:
            return (tuple({0: batch} for _ in self.names),)
        sides = {axis: Dim(name, min=self.smallest, max=LARGEST) for axis, name in ((2, "height"), (3, "width"))}
        return (tuple({0: batch} | (sides if kind.spatial else {}) for kind in self.kinds.values()),)

    def sizes(self) -> list[tuple[int, int, int]]:
        """(batch, height, width) of examples that differ in everything that is free; the first is for the capture."""
        if self.fixed:
            return [(2, self.fixed, self.fixed), (1, self.fixed, self.fixed)]
        side = max(2 * self.smallest + self.multiple, 48)
        return [(2, side + 1, side + 3), (1, self.smallest, self.smallest + 1), (3, side, side // 2 + self.smallest)]


def kinds_of(method: Method, direction: str) -> dict[str, Field]:
    """The inputs of a translation and what each is, those that may be given too."""
    return method.needs(direction) | {name: method.kind_of(name) for name in method.optional}


def networks_behind(method: Method, direction: str) -> list[str]:
    """Keys of the networks that a translation in this direction uses."""
    resolver = Resolver(method, (), (*method.inputs, *method.optional))
    resolver.resolve(method.result, direction)
    keys = {key for node in resolver.nodes.values() for key in node.arguments if key.startswith("net:")}
    return [key for key in method.networks if f"net:{key}" in keys]


@contextmanager
def still(method: Method) -> Iterator[None]:
    """Within this, dropout is off."""
    noisy = [m for m in method.modules() if isinstance(m, nn.Dropout | nn.Dropout2d) and m.training]
    for module in noisy:
        module.eval()
    try:
        yield
    finally:
        for module in noisy:
            module.train()


def too_old() -> bool:
    """Whether this torch is older than `OLDEST`."""
    return Version(torch.__version__).release < Version(OLDEST).release


def capture(translator: Translator) -> torch.export.ExportedProgram:
    """The graph. Raises GankitError, in words, for a torch that is too old and a network that torch.export cannot
    take."""
    if too_old():
        raise GankitError(
            f"torch exports graphs from version {OLDEST} on, and this is {torch.__version__}: "
            "pip install 'gankit[export]'"
        )
    try:
        try:
            return _captured(translator)
        except Exception as e:
            if "Constraints violated" not in str(e):
                raise
        translator.smallest *= 2  # a map that is one pixel wide is another graph to some layers
        return _captured(translator)
    except Exception as e:  # it raises whatever its tracer met
        raise GankitError(f"torch.export cannot take this method: {str(e).strip().splitlines()[0]}") from e


def _captured(translator: Translator) -> torch.export.ExportedProgram:
    inputs = translator.example(*translator.sizes()[0])
    with _quiet(), torch.no_grad(), still(translator.method), _sizes_of_one():
        return torch.export.export(translator, inputs, dynamic_shapes=translator.dynamic(), strict=False)


def _sizes_of_one() -> AbstractContextManager[object]:
    """Within this, torch.export does not take for granted that a free size is not 1.

    A map that is one pixel wide for the smallest pictures is refused without it. torch has no public way to say so:
    its own exporter to ONNX sets the same flag of this private module. A torch without the flag refuses such methods,
    which `capture` tells, and takes all others.
    """
    try:
        from torch.fx.experimental import _config as shapes

        _ = shapes.backed_size_oblivious  # `patch` looks only when it is entered
        return shapes.patch(backed_size_oblivious=True)  # pyright: ignore[reportAttributeAccessIssue]
    except (ImportError, AttributeError):
        return nullcontext()


def write_torch(
    program: torch.export.ExportedProgram, path: Path, metadata: dict[str, str]
) -> Callable[[Sequence[Tensor]], Tensor]:
    """Write a `.pt2` file, the metadata in it as gankit.json; returns what runs it, read back."""
    with _quiet():
        torch.export.save(program, path, extra_files={"gankit.json": json.dumps(metadata)})
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
    _name_sides(model.graph)
    onnx.save(model, str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(inputs: Sequence[Tensor]) -> Tensor:
        feed = {name: x.numpy() for name, x in zip(translator.names, inputs, strict=True)}
        return torch.from_numpy(session.run(None, feed)[0])

    return run


def _name_sides(graph: Any) -> None:
    """Call the free sides of an ONNX graph what they are, in place of torch's symbols."""
    names: dict[str, str] = {}
    for value in graph.input:
        for side, name in zip(value.type.tensor_type.shape.dim, ("batch", "channels", "height", "width"), strict=False):
            names.setdefault(side.dim_param, name)
    for value in (*graph.input, *graph.output, *graph.value_info):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_param = names.get(side.dim_param, side.dim_param)


@torch.no_grad()
def largest_difference(
    translator: Translator, run: Callable[[Sequence[Tensor]], Tensor], inputs: Sequence[Sequence[Tensor]]
) -> float:
    """Of the pictures that both make of the same inputs."""
    worst = 0.0
    for tensors in inputs:
        ours, theirs = translator.reference(tensors), run(tensors)
        if ours.shape != theirs.shape:
            raise GankitError(
                f"the exported graph makes {tuple(theirs.shape)} where the method makes {tuple(ours.shape)}"
            )
        worst = max(worst, float((ours - theirs).abs().max().nan_to_num(nan=float("inf"))))
    return worst


@contextmanager
def _quiet() -> Iterator[None]:
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
