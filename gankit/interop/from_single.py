"""Files of one generator, with its critic at most -> the parts of a run."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gankit.core.recipe import Recipe
from gankit.interop import dcgan as dcgans
from gankit.interop import fast_neural_style as styles
from gankit.interop import lbam as lbams
from gankit.interop import mlp_gan as perceptrons
from gankit.interop import pconv as pconvs
from gankit.interop.files import UnfitFile
from gankit.interop.keys import Imported, State
from gankit.interop.parts import Found, Parts, files_of, lone, missing, take

CRITIC = re.compile(r"(?:^|.*[_\-.])(?:net)?D(?:[_\-.].*)?$")
"""Names of files with a critic: netD_epoch_24, mlp_gan_D."""


def fast_neural_style(paths: Sequence[Path]) -> Parts:
    """A TransformerNet. Raises UnfitFile."""
    fragment, weights = take(_one(paths), styles.generator)
    method = {"type": "style", "style": None, "generator": fragment}
    notes = ["To train it further, set method.style to the picture of the style."]
    return Parts("style", method, {"generator_a2b": weights}, notes)


def lbam(paths: Sequence[Path]) -> Parts:
    """LBAM's generator. Raises UnfitFile."""
    return _inpainting("lbam", _one(paths), lbams.generator)


def pconv(paths: Sequence[Path]) -> Parts:
    """A U-Net of partial convolutions. Raises UnfitFile."""
    return _inpainting("pconv", _one(paths), pconvs.generator)


def dcgan(paths: Sequence[Path]) -> Parts:
    """DCGAN's generator, and its critic where it is there. Raises UnfitFile."""
    maker, critic = _players(paths)
    fragment, weights = take(maker, dcgans.generator)
    drawn = {
        "latent": weights["layers.0.conv.weight"].shape[0],
        "distribution": "normal",
        "channels_a": weights["head.weight"].shape[1],
    }
    size = fragment["image_size"]
    judge = {"type": "dcgan", "image_size": size}
    sets = [f"data.load_size={size}", f"data.crop_size={size}"]
    return _gan("dcgan", drawn, fragment, weights, judge, critic, dcgans.discriminator, sets)


def mlp_gan(paths: Sequence[Path]) -> Parts:
    """A perceptron that makes pictures, and its critic where it is there. Raises UnfitFile.

    The pictures are taken as grey, or as RGB where only that gives square ones.
    """
    maker, critic = _players(paths)
    values = next(reversed(list(maker[1].values()))).shape[0] if maker[1] else 0
    grey = math.isqrt(values) ** 2 == values
    channels = 1 if grey or values % 3 else 3
    fragment, weights = take(maker, lambda state: perceptrons.generator(state, channels))
    drawn = {
        "latent": weights["layers.0.weight"].shape[1],
        "distribution": "normal",
        "channels_a": channels,
    }
    judge = {"type": "mlp", "image_size": fragment["image_size"]}
    sets = [f"data.size={fragment['image_size']}"]
    importer = perceptrons.discriminator
    return _gan("gan-mnist", drawn, fragment, weights, judge, critic, lambda s: importer(s, channels), sets)


def _gan(
    base: str,
    drawn: dict[str, Any],
    fragment: dict[str, Any],
    weights: State,
    judge: dict[str, Any],
    critic: Found | None,
    importer: Callable[[State], Imported],
    sets: list[str],
) -> Parts:
    parts = Parts(base, {"type": "gan", **drawn, "generator": fragment}, {"generator_a2b": weights}, sets=sets)
    if critic is None:
        parts.notes.append(missing(["The critic"]))
    else:
        judge, parts.weights["discriminator_a2b"] = take(critic, importer)
    parts.method["discriminator"] = judge
    return parts


def _inpainting(base: str, stored: Found, importer: Callable[[State], Imported]) -> Parts:
    fragment, weights = take(stored, importer)
    method = Recipe.load(base).filled()["method"] | {"generator": fragment}
    notes = [missing(["The critic"])] if method.get("discriminator") else []
    return Parts(base, method, {"generator_a2b": weights}, notes)


def _one(paths: Sequence[Path]) -> Found:
    files = files_of(paths)
    if len(files) != 1:
        raise UnfitFile(f"one file, of the generator, is needed; given: {', '.join(map(str, files))}")
    return lone(files[0])


def _players(paths: Sequence[Path]) -> tuple[Found, Found | None]:
    """A generator and, where it is there, its critic, told apart by their names."""
    files = files_of(paths)
    critics = [file for file in files if CRITIC.fullmatch(file.stem)]
    makers = [file for file in files if file not in critics]
    if len(makers) != 1 or len(critics) > 1:
        names = ", ".join(map(str, files))
        raise UnfitFile(
            f"the generator's file and at most one of a critic (netD_..., ..._D) are needed; given: {names}"
        )
    return lone(makers[0]), lone(critics[0]) if critics else None
