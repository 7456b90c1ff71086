"""Files of one generator, with its critic at most -> the parts of a run."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from gankit.core.recipe import Recipe
from gankit.interop import dcgan as dcgans
from gankit.interop import fast_neural_style as styles
from gankit.interop import lbam as lbams
from gankit.interop import mlp_gan as perceptrons
from gankit.interop import pconv as pconvs
from gankit.interop.files import SUFFIXES, Found, Given, UnfitFile
from gankit.interop.keys import Imported, State
from gankit.interop.parts import Parts, missing, take
from gankit.weights.files import stem

CRITIC = re.compile(r"(?:^|.*[_\-.])(?:net)?D(?:[_\-.].*)?$")
"""Names of files with a critic: netD_epoch_24, mlp_gan_D."""
MAKER = re.compile(rf"(?!{CRITIC.pattern}).*")
NUMBERED = re.compile(r"(?P<net>.*?)(?:_epoch)?(?:(?:^|[_\-.])(?P<epoch>latest|\d+))?")
ANY = re.compile(".*")
HEAD = (
    "Weights do not tell what follows the last layer: taken as (tanh + 1) / 2, as in the repository's network; for "
    "|tanh|, of the paper and the code before 2020, --set method.generator.image=abs."
)


def fast_neural_style(given: Given) -> Parts:
    """A TransformerNet. Raises UnfitFile."""
    fragment, weights = take(_one(given), styles.generator)
    method = {"type": "style", "style": None, "generator": fragment}
    notes = ["To train it further, set method.style to the picture of the style."]
    return Parts("style", method, {"generator_a2b": weights}, notes)


def lbam(given: Given) -> Parts:
    """LBAM's generator. Raises UnfitFile."""
    parts = _inpainting("lbam", _one(given), lbams.generator, lambda w: w["encoder.0.conv.weight"].shape[1] - 1)
    if parts.method["generator"]["norm"]["type"] == "batch":
        parts.notes.append(HEAD)
    return parts


def pconv(given: Given) -> Parts:
    """A U-Net of partial convolutions. Raises UnfitFile."""
    return _inpainting("pconv", _one(given), pconvs.generator, lambda w: w["down.0.weight"].shape[1])


def dcgan(given: Given) -> Parts:
    """DCGAN's generator, and its critic where it is there. Raises UnfitFile."""
    maker, critic = _players(given)
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


def mlp_gan(given: Given) -> Parts:
    """A perceptron that makes pictures, and its critic where it is there. Raises UnfitFile.

    The pictures are taken as grey, or as RGB where only that gives square ones.
    """
    maker, critic = _players(given)
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


def _inpainting(
    base: str, stored: Found, importer: Callable[[State], Imported], channels: Callable[[State], int]
) -> Parts:
    fragment, weights = take(stored, importer)
    method = Recipe.load(base).filled()["method"] | {"generator": fragment, "channels_a": channels(weights)}
    notes = [missing(["The critic"])] if method.get("discriminator") else []
    return Parts(base, method, {"generator_a2b": weights}, notes)


def _one(given: Given) -> Found:
    files = [path for _, path in given.files(NUMBERED, ANY)]
    if not files:
        raise UnfitFile(f"{given.where}: no file of weights is in it ({', '.join(SUFFIXES)})")
    if len(files) != 1:
        raise UnfitFile(f"one file, of the generator, is needed; given: {', '.join(map(str, files))}")
    return given.lone(files[0])


def _players(given: Given) -> tuple[Found, Found | None]:
    """A generator and, where it is there, its critic, told apart by their names."""
    files = given.files(NUMBERED, MAKER)
    critics = [path for net, path in files if CRITIC.fullmatch(net or stem(path))]
    makers = [path for _, path in files if path not in critics]
    if not files:
        raise UnfitFile(f"{given.where}: no file of weights is in it ({', '.join(SUFFIXES)})")
    if len(makers) != 1 or len(critics) > 1:
        names = ", ".join(str(path) for _, path in files)
        raise UnfitFile(
            f"the generator's file and at most one of a critic (netD_..., ..._D) are needed; given: {names}"
        )
    return given.lone(makers[0]), given.lone(critics[0], critic=True) if critics else None
