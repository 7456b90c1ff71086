"""The Python interface; it mirrors the commands.

model = gankit.train("demo", sets=["train.steps=100"])
model = gankit.load("runs/demo")
picture = model.translate("photo.jpg")
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gankit.codecs.base import Codec, Values
from gankit.codecs.images import as_pil, image_pixels, read_image, to_model_range
from gankit.codecs.masks import mask_pixels, read_mask
from gankit.core.errors import CheckpointError, DataError
from gankit.core.listing import components
from gankit.core.recipe import Recipe
from gankit.data.dataset import Dataset, Split
from gankit.evaluation.during import Ruler
from gankit.evaluation.results import Evaluation
from gankit.features import load_own_state
from gankit.fields import Segmentation
from gankit.inference.given import check_names, items_of, tensor_of, wanted_of
from gankit.inference.sample import NOTHING_TO_TRANSLATE, sample
from gankit.inference.styles import require_styled
from gankit.inspect.trial import try_out
from gankit.interop import hub
from gankit.methods.base import Method
from gankit.report.samples import Samples
from gankit.training import checkpoint as checkpoints
from gankit.training import run as runs
from gankit.training.assemble import Assembled, assemble, build_method, open_codecs, open_dataset
from gankit.training.devices import Devices
from gankit.training.initial import begin_from
from gankit.training.limits import NUMBERS
from gankit.training.loop import Trainer
from gankit.training.pictures import check_data
from gankit.training.seeds import reseed

__all__ = ["Assembled", "Model", "assemble", "build", "components", "evaluate", "load", "train"]

FROZEN = 500_000_000
"""More weights than frozen networks have, which stand in no checkpoint."""
StrPath = str | os.PathLike[str]
Picture = TypeVar("Picture", Image.Image, Tensor)


def build(recipe: Any, sets: Sequence[str] = ()) -> Method:
    """The method that a recipe describes, with freshly drawn weights: an `nn.Module`, its networks by `role_direction`.

    recipe: a path, the name of a shipped one, a dict, or a Recipe. sets: changes, as `"train.steps=100"`.
    Raises RecipeError with every mistake and its place.
    """
    return assemble(recipe, sets).method


def train(
    recipe: Any,
    out: StrPath | None = None,
    resume: bool = False,
    sets: Sequence[str] = (),
    device: str | None = None,
    data_changed: bool = False,
) -> Model:
    """Train a recipe in the directory `out` (default: `runs/NAME`), measure and report it, return the trained model.

    resume: go on with the run in `out`, or the newest run of that name; it ends with the very bits of a run that was
    not interrupted. data_changed: go on even where the pictures are not those of the run. device: instead of the
    recipe's. Seeds the global generators from the recipe. Started by torchrun or `accelerate launch`, it trains with
    all their processes.

    Raises RecipeError, DataError for bad input; TrainingError when a loss or a network is not finite; CheckpointError
    when a checkpoint cannot be read, or another process trains the run; GankitError when the disk refuses;
    KeyboardInterrupt, with everything saved, at Ctrl-C or SIGTERM.
    """
    checked = Recipe.load(recipe, sets)
    devices = Devices.open(device or checked.train.device, checked.train.precision, checked.train.deterministic)
    try:
        reseed(checked.train.seed)
        parts = assemble(checked)
        for fault in try_out(checked, check_data(parts)):
            logging.getLogger(__name__).warning("%s", fault)
        if (source := checked.train.init_from) and not (
            resume and runs.begun(checked, None if out is None else Path(out))
        ):
            _begin(parts.method, source)
        samples = Samples(parts.dataset, checked.train.samples, checked.train.seed) if devices.main else None
        ruler = Ruler(parts.dataset, checked, devices.device) if devices.main and checked.train.measure else None
        trainer = Trainer(parts, devices, samples, ruler)
        with ExitStack() as held:
            run = devices.from_main(
                lambda: (runs.resume if resume else runs.start)(checked, None if out is None else Path(out), held)
            )
            trainer.open(run, resume, data_changed)
            trainer.fit(lambda: _finish(run, str(devices.device)))
        return load(run.path, device=str(devices.device))
    finally:
        devices.close()


def _begin(method: Method, source: str) -> None:
    """Take the networks of another run."""
    fresh = begin_from(method, load(source, device="cpu").method.networks.state_dict(), source)
    if fresh:
        logging.getLogger(__name__).warning("%s has no %s: they start from fresh weights", source, ", ".join(fresh))


def _finish(run: runs.Run, device: str) -> list[dict[str, Any]]:
    """Measure what can be measured, on the device of the training; write the report; the rows of figures."""
    from gankit.report.page import write
    from gankit.report.showcase import measure_run

    results: list[dict[str, Any]] = []
    try:
        results = measure_run(load(run.path, device)).as_dict()["results"]
    except DataError as e:  # a test split that is missing or broken takes nothing from the training
        print(f"not measured: {e}", file=sys.stderr)
    write(run.path)
    return results


def load(run_dir: StrPath, device: str = "auto", checkpoint: str | int = "last") -> Model:
    """The trained model of a run directory, of one checkpoint's directory, or of a repository of the Hugging Face Hub.

    run_dir: a path, or `hf:USER/NAME` or `hf:USER/NAME@REVISION` (see `gankit.interop.hub`).
    checkpoint: of a run: `last`, the newest; `best`, which the callback of that name keeps; or the number of a step.

    Networks are the averaged ones where the recipe asks for an average, in evaluation mode. They are rebuilt from the
    recipe in the checkpoint; nothing in it can run code. Losses, optimizers and other parts that only a training needs
    may be missing. Raises CheckpointError when there is no checkpoint or it is damaged, RecipeError when a plugin is
    missing that the method needs.
    """
    path = hub.fetch(os.fspath(run_dir)) if hub.is_hub(run_dir) else Path(run_dir)
    place = path if (path / checkpoints.INDEX).is_file() else runs.Run(path).latest()
    if place is None:
        reason = "has no checkpoint yet" if runs.Run(path).recipe.is_file() else "is not a run directory"
        raise CheckpointError(f"no checkpoint in {path}: it {reason if path.exists() else 'does not exist'}")
    if place != path:
        place = runs.Run(path).checkpoint(str(checkpoint))
    elif checkpoint != "last":
        raise CheckpointError(f"{path} is itself a checkpoint: leave out --checkpoint, or name the run that holds it")
    stored = checkpoints.load(place)
    recipe = Recipe.load(stored.info["recipe"], for_use=True)
    method = build_method(recipe, _most(stored))
    try:
        load_own_state(method.networks, {**stored.networks, **(stored.ema or {})})
        method.load_state_dict(stored.state["stepper"]["method"], strict=False)
    except (LookupError, ValueError, RuntimeError, TypeError, AttributeError) as e:
        raise CheckpointError(f"{place}: the networks do not fit their recipe: {e}") from e
    method.set_epoch(stored.info["epoch"])
    method.to(Devices.choose(device)).eval().requires_grad_(False)
    inside = (
        place == path and path.parent.name == runs.Run(path).checkpoints.name
    )  # of a run; a hub folder is one itself
    return Model(method, recipe, path.parent.parent if inside else path, stored.step, stored.ema is not None)


def _most(stored: checkpoints.Checkpoint) -> int:
    """How many weights the networks of a checkpoint may have: those that it holds, and such as it leaves out, of
    frozen networks. A recipe that asks for more is not that of its weights."""
    return min(NUMBERS, 2 * sum(tensor.numel() for tensor in stored.networks.values()) + FROZEN)


def evaluate(
    run_dir: StrPath,
    device: str = "auto",
    limit: int | None = None,
    *,
    metrics: Sequence[str] | None = None,
    against: StrPath | None = None,
    reference: Literal["target", "source", "mean"] | None = None,
    direction: str | None = None,
    protocol: Literal["clean", "legacy-pytorch", "legacy-tf"] | None = None,
    split: Literal["train", "val", "test"] = "test",
    checkpoint: str | int = "last",
) -> Evaluation:
    """Measure a run on its test split, as `gankit evaluate` does; keeps evaluation.json in the run.

    split: figures of `train`, whose pictures are neither cropped nor flipped then, and of `val` are not kept.
    checkpoint: see `load`.

    metrics: names, as `"kid-squeezenet"`, instead of the recipe's. against: a folder of real pictures, instead of the
    target's test pictures. A metric that cannot be measured here has a row with `unavailable`, the reason.

    `gankit.evaluate("runs/demo")["psnr", "a2b"].value` is a figure; `as_dict()` gives what evaluation.json holds.
    """
    from gankit.evaluation.choose import named
    from gankit.report.showcase import measure_run

    return measure_run(
        load(run_dir, device, checkpoint),
        limit=limit,
        metrics=None if metrics is None else named(metrics, protocol),
        reference=reference,
        against=None if against is None else Path(against),
        direction=direction,
        protocol=protocol,
        split=split,
    )


@dataclass
class Model:
    """A trained method. `ema`: whether its networks are averages over the training."""

    method: Method
    recipe: Recipe
    run_dir: Path
    step: int
    ema: bool

    @overload
    def translate(
        self,
        image: str | os.PathLike[str] | Values,
        direction: str = "a2b",
        mask: Any = None,
        *,
        given: Mapping[str, Any] | None = None,
        style: Tensor | int | None = None,
        example: Any = None,
    ) -> Image.Image | Values: ...
    @overload
    def translate(
        self,
        image: Picture,
        direction: str = "a2b",
        mask: Any = None,
        *,
        given: Mapping[str, Any] | None = None,
        style: Tensor | int | None = None,
        example: Any = None,
    ) -> Picture: ...
    def translate(
        self,
        image: Any,
        direction: str = "a2b",
        mask: Any = None,
        *,
        given: Mapping[str, Any] | None = None,
        style: Tensor | int | None = None,
        example: Any = None,
    ) -> Any:
        """Translate one picture, or a batch of them, of any size.

        A path or a PIL image gives a PIL image; a float tensor (C, H, W) or (N, C, H, W) in [-1, 1] gives another.
        Of a run whose pictures are not 8-bit ones, a path, or an array (C, H, W) of values as they stand in its files,
        gives an array in the units of the target's files, of the depth in which `gankit translate` writes it.
        mask: what `inpainting` fills, white in a path or a PIL image, 1 in a tensor (1, H, W) or (N, 1, H, W).
        given: what else the method needs, by name, as `{"label": 2, "segmentation": "map.png"}`: a number, numbers, a
        path, a PIL image, or a tensor, of one item for all pictures or of one for each.
        style: of methods that have styles (`munit`): a code (K,) or (N, K), or the seed of a random one. example:
        instead, a picture of the target domain whose style it is to be. Without either the style is always the same.
        Raises DataError for an unreadable picture, an unfit tensor, mask or style, or an unknown direction.
        """
        batch, back = self._enter(image, direction)
        inputs: dict[str, Tensor] = {"source": batch}
        given = {} if given is None else dict(given)
        if mask is not None or ("hole" in self.method.inputs and "hole" not in given):
            inputs["hole"] = self._hole(mask, batch)
        check_names(self.method, direction, {*given, *(inputs.keys() - {"source"})})
        kinds = wanted_of(self.method, direction)
        inputs |= {name: tensor_of(name, kinds[name], value, batch) for name, value in given.items()}
        if style is not None or example is not None:
            inputs["style"] = self._style(style, example, direction, batch)
        return back(self.method.translate(inputs, direction))

    def _style(self, style: Tensor | int | None, example: Any, direction: str, batch: Tensor) -> Tensor:
        """A style given in any way as codes of the batch."""
        method = require_styled(self.method)
        if style is not None and example is not None:
            raise DataError("give either a style or an example picture of one, not both")
        try:
            if isinstance(style, Tensor):
                return method.fitting(style, batch)
            if style is not None:
                return method.fitting(method.styles(1, style), batch)
            shown, _ = self._enter(example, direction, "target")
            return method.fitting(method.encode_style(shown, direction), batch)
        except ValueError as e:
            raise DataError(str(e)) from e

    def _hole(self, mask: Any, batch: Tensor) -> Tensor:
        """A mask of any kind as holes of a batch."""
        if "hole" not in self.method.inputs:
            raise DataError("a mask is for methods that fill holes, such as inpainting; this run's does not")
        if mask is None:
            raise DataError("this run fills holes: say where they are, as `mask`")
        hole = mask if isinstance(mask, Tensor) else _mask(mask)
        shape, hole = tuple(hole.shape), hole if hole.ndim == 4 else hole[None]
        if hole.shape[1:] != (1, *batch.shape[2:]) or len(hole) not in (1, len(batch)):
            wanted = f"{(1, *batch.shape[2:])}, or one for each"
            raise DataError(f"the mask of pictures {tuple(batch.shape)} is {wanted}; got {shape}")
        return (hole > 0.5 if hole.is_floating_point() else hole != 0).to(batch).expand(len(batch), -1, -1, -1)

    @overload
    def attend(self, image: str | os.PathLike[str], direction: str = "a2b") -> Image.Image | None: ...
    @overload
    def attend(self, image: Picture, direction: str = "a2b") -> Picture | None: ...
    def attend(self, image: Any, direction: str = "a2b") -> Any:
        """The attention map: a grey PIL image, or (1, H, W) in [0, 1] for a tensor; None when the method has none."""
        batch, back = self._enter(image, direction)
        attention = self.method.attend(batch, direction)
        if attention is None:
            return None
        return back(attention) if isinstance(image, Tensor) else as_pil(attention[0] * 2 - 1)

    def sample(self, count: int = 64, seed: int = 0) -> Tensor:
        """Pictures (count, C, H, W) in [-1, 1] of a method that draws from noise (`gan`); on the CPU.

        One seed gives the same pictures on every device, but for rounding; the first ones do not depend on `count`.
        Raises DataError for a method that translates.
        """
        return sample(self.method, count, seed)

    @property
    def picture(self) -> Image.Image | None:
        """The picture that the training itself made (`gatys`: the result); None where it trained a network."""
        product = self.method.product()
        return None if product is None else as_pil(product)

    @cached_property
    def channels(self) -> dict[str, int]:
        """Channels of the pictures of each domain."""
        kinds = {domain: kind for domain, kind in self.method.takes.items() if domain in ("a", "b")}
        return {domain: kind.shape((1, 1))[0] for domain, kind in kinds.items()}

    @cached_property
    def codecs(self) -> dict[str, Codec]:
        """How files of each domain are read and written, as in training: `codecs["b"].write(picture, "out.tif")`.

        Raises RecipeError where a library is missing that one needs.
        """
        return open_codecs(self.recipe)

    def dataset(self, split: Split = "test") -> Dataset:
        """The pictures of the recipe. Raises RecipeError or DataError when they are not there."""
        return open_dataset(self.recipe).split(split)

    def _enter(self, image: Any, direction: str, side: str = "source") -> tuple[Tensor, Any]:
        """A picture of any kind as a batch on the method's device, and the way back to that kind.

        side: of the direction to which the picture belongs.
        """
        if direction not in self.method.directions:
            raise DataError(f"direction must be one of {', '.join(self.method.directions)}, not '{direction}'")
        if self.method.draws:
            raise DataError(NOTHING_TO_TRANSLATE)
        if self.method.untranslatable:
            raise DataError(self.method.untranslatable)
        fields = self.method.fields[direction]
        domain = fields.get(side, "a")
        channels, codec = self.channels[domain], self.codecs[domain]
        weight = next(self.method.parameters())
        if not isinstance(image, Tensor):
            kind, target = self.method.takes.get(domain), self.codecs[fields.get("target", domain)]
            is_map = isinstance(kind, Segmentation)
            batch = items_of(side, kind, image) if is_map else _read(image, codec, channels)[None]
            return batch.to(weight.device), lambda out: _written(out[0], target, image)
        whole = image.is_floating_point() and image.ndim in (3, 4) and image.numel() > 0
        if not whole or image.shape[-3] != channels:
            shape = f"{tuple(image.shape)} {image.dtype}"
            raise DataError(f"a picture is a float tensor ({channels}, H, W) or (N, {channels}, H, W), not {shape}")
        batch = image if image.ndim == 4 else image[None]
        return batch.to(weight), lambda out: (out if image.ndim == 4 else out[0]).to(image)


def _read(image: Any, codec: Codec, channels: int) -> Tensor:
    """A picture of any kind but a tensor as (channels, H, W) in [-1, 1]."""
    if isinstance(image, str | os.PathLike):
        return codec.read(Path(image), channels)
    if codec.stored == torch.uint8:
        return to_model_range(_pixels(image, channels))
    if not isinstance(image, np.ndarray) or image.ndim != 3 or len(image) != channels:
        what = f"an array {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise DataError(
            f"a picture of this run ({codec.words}) is a path, an array ({channels}, H, W) of such values, or a float "
            f"tensor in [-1, 1], not {what}"
        )
    return torch.from_numpy(codec.normalize(image))


def _written(picture: Tensor, codec: Codec, source: Any) -> Image.Image | Values:
    """(C, H, W) in [-1, 1] as an image, or as the values that would be written of that source."""
    if codec.stored == torch.uint8:
        return as_pil(picture)
    known = isinstance(source, str | os.PathLike) and codec.reads(Path(source))
    return codec.denormalize(picture, codec.depth(Path(source) if known else None))


def _mask(mask: Any) -> Tensor:
    """(1, H, W) of bool, of a path or a PIL image."""
    if isinstance(mask, Image.Image):
        return mask_pixels(mask)[0]
    if isinstance(mask, str | os.PathLike):
        return read_mask(Path(mask))
    raise DataError(f"a mask is a path, a PIL image or a tensor, not {type(mask).__name__}")


def _pixels(image: Any, channels: int) -> Tensor:
    """uint8 (channels, H, W) of an 8-bit picture."""
    if isinstance(image, Image.Image):
        return image_pixels(image, channels)
    if isinstance(image, str | os.PathLike):
        return read_image(Path(image), channels)
    raise DataError(f"a picture is a path, a PIL image or a float tensor, not {type(image).__name__}")
