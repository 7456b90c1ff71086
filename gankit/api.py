"""The Python interface; it mirrors the commands.

model = gankit.train("demo", sets=["train.steps=100"])
model = gankit.load("runs/demo")
picture = model.translate("photo.jpg")
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

from PIL import Image
from torch import Tensor

from gankit.core.errors import CheckpointError, DataError
from gankit.core.listing import components
from gankit.core.recipe import Recipe
from gankit.data.images import from_model_range, image_pixels, read_image, to_model_range
from gankit.evaluation.sample import NOTHING_TO_TRANSLATE, sample
from gankit.evaluation.styles import require_styled
from gankit.methods.base import Method
from gankit.training import checkpoint
from gankit.training import run as runs
from gankit.training.assemble import Assembled, assemble, build_method, check_data, open_dataset
from gankit.training.devices import Devices
from gankit.training.initial import begin_from
from gankit.training.loop import Trainer
from gankit.training.seeds import reseed

__all__ = ["Assembled", "Model", "assemble", "build", "components", "evaluate", "load", "train"]

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
) -> Model:
    """Train a recipe in the directory `out` (default: `runs/NAME`), measure and report it, return the trained model.

    resume: go on with the run in `out`, or the newest run of that name; it ends with the very bits of a run that was
    not interrupted. device: instead of the recipe's. Seeds the global generators from the recipe. Started by torchrun
    or `accelerate launch`, it trains with all their processes.

    Raises RecipeError, DataError for bad input; TrainingError when a loss or a network is not finite; CheckpointError
    when a checkpoint cannot be read; GankitError when the disk refuses; KeyboardInterrupt, with everything saved, at
    Ctrl-C or SIGTERM.
    """
    checked = Recipe.load(recipe, sets)
    devices = Devices.open(device or checked.train.device, checked.train.precision)
    try:
        reseed(checked.train.seed)
        parts = assemble(checked)
        check_data(parts)
        if (source := checked.train.init_from) and not (
            resume and runs.begun(checked, None if out is None else Path(out))
        ):
            _begin(parts.method, source)
        trainer = Trainer(parts, devices)
        run = devices.from_main(
            lambda: (runs.resume if resume else runs.start)(checked, None if out is None else Path(out))
        )
        trainer.open(run, resume)
        trainer.fit()
        if devices.main:
            _finish(run)
        return load(run.path, device=str(devices.device))
    finally:
        devices.close()


def _begin(method: Method, source: str) -> None:
    """Take the networks of another run."""
    fresh = begin_from(method, load(source, device="cpu").method.networks.state_dict(), source)
    if fresh:
        logging.getLogger(__name__).warning("%s gives no %s: fresh weights", source, ", ".join(fresh))


def _finish(run: runs.Run) -> None:
    """Measure what can be measured, write the report."""
    from gankit.evaluation.evaluate import evaluate_run
    from gankit.evaluation.report import write

    try:
        evaluate_run(load(run.path))
    except DataError as e:  # a test split that is missing or broken takes nothing from the training
        print(f"not measured: {e}", file=sys.stderr)
    write(run.path)


def load(run_dir: StrPath, device: str = "auto") -> Model:
    """The trained model of a run directory (its newest checkpoint), or of one checkpoint's directory.

    Networks are the averaged ones where the recipe asks for an average, in evaluation mode. They are rebuilt from the
    recipe in the checkpoint; nothing in it can run code. Raises CheckpointError when there is no checkpoint or it is
    damaged, RecipeError when a plugin that it needs is missing.
    """
    path = Path(run_dir)
    place = path if (path / checkpoint.INDEX).is_file() else runs.Run(path).latest()
    if place is None:
        found = "has no checkpoint yet" if (path / runs.RECIPE).is_file() else "is no run directory"
        raise CheckpointError(f"no checkpoint in {path}: it {found if path.exists() else 'does not exist'}")
    stored = checkpoint.load(place)
    recipe = Recipe.load(stored.info["recipe"])
    method = build_method(recipe)
    try:
        method.networks.load_state_dict(dict(stored.networks))
        method.networks.load_state_dict(dict(stored.ema or {}), strict=False)
        method.load_state_dict(stored.state["stepper"]["method"], strict=False)
    except (RuntimeError, KeyError, TypeError) as e:
        raise CheckpointError(f"{place}: the networks do not fit their recipe: {e}") from e
    method.set_epoch(stored.info["epoch"])
    method.to(Devices.choose(device)).eval().requires_grad_(False)
    run_dir = path if place != path else path.parent.parent
    return Model(method, recipe, run_dir, stored.step, stored.ema is not None)


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
) -> dict[str, Any]:
    """Measure a run on its test split, as `gankit evaluate` does; keeps evaluation.json in the run.

    metrics: names, as `"kid-squeezenet"`, instead of the recipe's. against: a folder of real pictures, instead of the
    target's test pictures. A metric that cannot be measured here has a row with `unavailable`, the reason.

    Returns `{"results": [{metric, direction, value, interval, unit, better, protocol}, ...]}`.
    """
    from gankit.evaluation.choose import named
    from gankit.evaluation.evaluate import evaluate_run

    return evaluate_run(
        load(run_dir, device),
        limit=limit,
        metrics=None if metrics is None else named(metrics, protocol),
        reference=reference,
        against=None if against is None else Path(against),
        direction=direction,
        protocol=protocol,
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
        image: str | os.PathLike[str],
        direction: str = "a2b",
        mask: Any = None,
        *,
        style: Tensor | int | None = None,
        example: Any = None,
    ) -> Image.Image: ...
    @overload
    def translate(
        self,
        image: Picture,
        direction: str = "a2b",
        mask: Any = None,
        *,
        style: Tensor | int | None = None,
        example: Any = None,
    ) -> Picture: ...
    def translate(
        self,
        image: Any,
        direction: str = "a2b",
        mask: Any = None,
        *,
        style: Tensor | int | None = None,
        example: Any = None,
    ) -> Any:
        """Translate one picture, or a batch of them, of any size.

        A path or a PIL image gives a PIL image; a float tensor (C, H, W) or (N, C, H, W) in [-1, 1] gives another.
        mask: what `inpainting` fills, white in a path or a PIL image, 1 in a tensor (1, H, W) or (N, 1, H, W).
        style: of methods that have styles (`munit`): a code (K,) or (N, K), or the seed of a random one. example:
        instead, a picture of the target domain whose style it is to be. Without either the style is always the same.
        Raises DataError for an unreadable picture, an unfit tensor, mask or style, or an unknown direction.
        """
        batch, back = self._enter(image, direction)
        inputs: dict[str, Tensor] = {"source": batch}
        if mask is not None or "hole" in self.method.inputs:
            inputs["hole"] = self._hole(mask, batch)
        if style is not None or example is not None:
            inputs["style"] = self._style(style, example, direction, batch)
        return back(self.method.translate(inputs, direction))

    def _style(self, style: Tensor | int | None, example: Any, direction: str, batch: Tensor) -> Tensor:
        """A style given in any way as codes of the batch."""
        method = require_styled(self.method)
        if style is not None and example is not None:
            raise DataError("give a style, or an example of one, not both")
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
        hole = mask if isinstance(mask, Tensor) else _pixels(mask, 1) > 127
        given, hole = tuple(hole.shape), hole if hole.ndim == 4 else hole[None]
        if hole.shape[1:] != (1, *batch.shape[2:]) or len(hole) not in (1, len(batch)):
            wanted = f"{(1, *batch.shape[2:])}, or one for each"
            raise DataError(f"the mask of pictures {tuple(batch.shape)} is {wanted}; got {given}")
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
        return back(attention if isinstance(image, Tensor) else attention * 2 - 1)

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
        return None if product is None else _to_pil(product)

    @cached_property
    def channels(self) -> dict[str, int]:
        """Channels of the pictures of each domain."""
        return {domain: getattr(self.recipe.method, f"channels_{domain}", 3) for domain in ("a", "b")}

    def dataset(self, split: Literal["train", "test"] = "test") -> Any:
        """The pictures of the recipe. Raises RecipeError or DataError when they are not there."""
        return open_dataset(self.recipe).split(split)

    def _enter(self, image: Any, direction: str, side: str = "source") -> tuple[Tensor, Any]:
        """A picture of any kind as a batch on the method's device, and the way back to that kind.

        side: of the direction to which the picture belongs.
        """
        if direction not in self.method.directions:
            raise DataError(f"direction is one of {', '.join(self.method.directions)}, not '{direction}'")
        if self.method.draws:
            raise DataError(NOTHING_TO_TRANSLATE)
        channels = self.channels[self.method.fields[direction].get(side, "a")]
        weight = next(self.method.parameters())
        if not isinstance(image, Tensor):
            pixels = _pixels(image, channels)
            return to_model_range(pixels)[None].to(weight.device), lambda batch: _to_pil(batch[0])
        whole = image.is_floating_point() and image.ndim in (3, 4) and image.numel() > 0
        if not whole or image.shape[-3] != channels:
            shape = f"{tuple(image.shape)} {image.dtype}"
            raise DataError(f"a picture is a float tensor ({channels}, H, W) or (N, {channels}, H, W), not {shape}")
        batch = image if image.ndim == 4 else image[None]
        return batch.to(weight), lambda out: (out if image.ndim == 4 else out[0]).to(image)


def _pixels(image: Any, channels: int) -> Tensor:
    if isinstance(image, Image.Image):
        return image_pixels(image, channels)
    if isinstance(image, str | os.PathLike):
        return read_image(Path(image), channels)
    raise DataError(f"a picture is a path, a PIL image or a float tensor, not {type(image).__name__}")


def _to_pil(picture: Tensor) -> Image.Image:
    pixels = from_model_range(picture).cpu().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
