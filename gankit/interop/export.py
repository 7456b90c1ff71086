"""`gankit export`: a trained run for other programs, held against the run before it is handed over."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import safetensors.torch
import torch
from torch import Tensor

from gankit import __version__
from gankit.codecs.base import Codec
from gankit.core.document import dump
from gankit.core.errors import DataError, GankitError
from gankit.core.files import drafting, make_folder, reason
from gankit.data.images import list_images
from gankit.evaluation.evaluate import Loaded, weights_sha256
from gankit.evaluation.kept import results
from gankit.fields import Picture
from gankit.inference.given import read_file
from gankit.interop import graph
from gankit.interop.card import Shown, model_card
from gankit.interop.web import PAGE, Runtime, refuse_unfit, write_web
from gankit.methods.base import Method
from gankit.training import checkpoint
from gankit.training.checkpoint import EMA, INDEX, NETWORKS, STATE, Checkpoint
from gankit.training.run import Run

Format = Literal["onnx", "torch-export", "safetensors", "hub-folder", "web"]
OF_A_FOLDER = {
    "hub-folder": {NETWORKS, EMA, STATE, INDEX, "recipe.yaml", "evaluation.json", "README.md"},
    "web": {"model.onnx", "about.json", "README.md", "runtime", *(file.name for file in PAGE.iterdir())},
}
"""What a folder of each format consists of."""
SIDE = 512
"""Pictures larger than this are cut to it for the comparison."""


@dataclass(frozen=True)
class Export:
    """What was written. difference: the largest from the run's own pictures, in [-1, 1]; `on`: what it was taken on."""

    path: Path
    difference: float
    on: str


class LoadedWithFiles(Loaded, Protocol):
    """A loaded run that says how its pictures are read and written."""

    @cached_property
    def codecs(self) -> dict[str, Codec]: ...


def export(
    model: LoadedWithFiles,
    to: Format,
    out: str | os.PathLike[str],
    direction: str | None = None,
    *,
    pictures: Sequence[Path] = (),
    licence: str = "unknown",
    overwrite: bool = False,
    runtime: Path | None = None,
    shown: Shown = Shown(),
) -> Export:
    """Write a loaded run (`gankit.load`) in another form, once that form gives the same pictures.

    onnx, torch-export: one direction as a graph; its inputs are called as `method.inputs`; pictures of any size from
    `smallest_side` of the metadata on, but of `fixed_side` where a network takes one size only; dropout is off.
    safetensors: the weights of all generators, the recipe in the metadata. hub-folder: a folder that `gankit.load`
    takes, with a model card. web: a folder with a page that runs the network in the browser; runtime: a folder with the
    files of onnxruntime-web, to be copied (see `gankit.interop.web.Runtime`). shown: what the card shows beside the
    run. pictures: what the comparison is made on, each cut to two sizes; drawn ones when none are given. overwrite:
    replace a file, or a folder as a whole, so that nothing of an older one stays.

    Raises DataError when there is no network to export (`gatys`), `out` exists, or holds other things than an export, a
    picture is unfit or the direction unknown; GankitError when a package is missing, the graph cannot be made, or its
    pictures differ by more than `graph.TOLERANCE`. Nothing is left of a failed export.
    """
    out = Path(out)
    way = direction or model.method.directions[0]
    if way not in model.method.directions:
        raise DataError(f"direction must be one of {', '.join(model.method.directions)}, not '{way}'")
    if out.exists() and not overwrite:
        raise DataError(f"{out} exists already; name another with --out, or add --overwrite")
    _refuse_to_replace(out, to)
    translator = graph.Translator(model.method.cpu(), way).eval()
    if not translator.names:
        raise DataError("this run made a picture, result.png in its directory; there is no network to export")
    if runtime is not None and to != "web":
        raise DataError("--runtime is for --to web: leave it out")
    if to == "web":
        refuse_unfit(translator, any(codec.stored != torch.uint8 for codec in model.codecs.values()))
    served = Runtime(runtime)
    codec = model.codecs[model.method.fields[way].get("source", "a")]
    inputs = list(_inputs(translator, pictures, codec))
    try:
        difference = _export(model, translator, to, out, licence, inputs, served, shown)
    except OSError as e:
        raise GankitError(f"{out}: cannot be written: {reason(e)}") from e
    on = f"{len(inputs)} {'cuts of pictures' if pictures and translator.takes_pictures else 'drawn inputs'}"
    return Export(out, difference, f"{on} of {len({x[0].shape for x in inputs})} sizes")


def _refuse_to_replace(out: Path, to: Format) -> None:
    """Raise DataError where a folder holds more than an older export: it goes as a whole."""
    if not out.is_dir():
        return
    if to not in OF_A_FOLDER:
        raise DataError(f"{out} is a folder, and {to} is one file: name a file with --out")
    if others := sorted(entry.name for entry in out.iterdir() if entry.name not in OF_A_FOLDER[to]):
        raise DataError(
            f"{out} holds what no export has written, as {others[0]}, which would be lost: name another folder"
        )


def _export(
    model: LoadedWithFiles,
    translator: graph.Translator,
    to: Format,
    out: Path,
    licence: str,
    inputs: Sequence[tuple[Tensor, ...]],
    runtime: Runtime,
    shown: Shown,
) -> float:
    """Write beside `out`, compare, put into its place; the largest difference. Raises GankitError, OSError."""
    make_folder(out.parent)
    with drafting(out) as folder:
        folder.mkdir()
        draft = folder / out.name
        run = _write(model, translator, to, draft, licence, runtime, shown)
        difference = graph.largest_difference(translator, run, inputs)
        if difference > graph.TOLERANCE:
            raise GankitError(
                f"the pictures of the {to} differ from the run's by up to {difference:.2g} of [-1, 1] "
                f"({graph.TOLERANCE:g} is allowed): nothing was written; please report which method it was"
            )
        if out.exists():
            shutil.rmtree(out) if out.is_dir() else out.unlink()
        os.replace(draft, out)
    return difference


def _write(
    model: LoadedWithFiles,
    translator: graph.Translator,
    to: Format,
    path: Path,
    licence: str,
    runtime: Runtime,
    shown: Shown,
) -> Callable[[Sequence[Tensor]], Tensor]:
    """Write one form; returns what translates with what was written."""
    if to == "hub-folder":
        return _write_folder(model, translator, path, licence, shown)
    about = {
        "gankit": __version__,
        "recipe": json.dumps(model.recipe.filled()),
        "direction": translator.direction,
        "inputs": json.dumps(translator.names),
        "kinds": json.dumps({name: kind.words for name, kind in translator.kinds.items()}),
        "pictures": "(N, C, H, W) in [-1, 1]; holes are 1 where to fill",
        "files": json.dumps({domain: codec.words for domain, codec in model.codecs.items()}),
        "smallest_side": str(translator.smallest),
        **({"fixed_side": str(translator.fixed)} if translator.fixed else {}),
        "weights_sha256": weights_sha256(model.method),
        "licence": licence,
    }
    if to == "safetensors":
        kept = {key: value.clone(memory_format=torch.contiguous_format) for key, value in makers(model.method).items()}
        path.write_bytes(safetensors.torch.save(kept, metadata=about))
        return _reread(model, translator, lambda: safetensors.torch.load_file(path))
    if to == "web":
        return write_web(model, translator, path, about, runtime)
    program = graph.capture(translator)
    if to == "torch-export":
        return graph.write_torch(program, path, about)
    return graph.write_onnx(program, translator, path, about)


def makers(method: Method) -> dict[str, Tensor]:
    """The weights of the networks that make pictures, in all directions: those of critics are left out."""
    keys = {key for turn in method.turns() if turn.side == "generator" for key in method.trained_by(turn)}
    return {k: v for k, v in method.networks.state_dict().items() if k.split(".", 1)[0] in keys}


def _write_folder(
    model: LoadedWithFiles, translator: graph.Translator, path: Path, licence: str, shown: Shown
) -> Callable[[Sequence[Tensor]], Tensor]:
    own = {k: v for k, v in model.method.state_dict().items() if not k.startswith("networks.")}
    info = {"step": model.step, "epoch": 0, "recipe": model.recipe.filled()}
    info["versions"] = model.recipe.made_with() | {"torch": torch.__version__}
    kept = Checkpoint(model.method.networks.state_dict(), None, {"stepper": {"method": own}}, info)
    written = checkpoint.save(path, kept)
    for file in written.iterdir():
        file.rename(path / file.name)
    written.rmdir()
    Run(path).recipe_text.write_text(dump(model.recipe.filled()), encoding="utf-8")
    measured = Run(Path(model.run_dir)).evaluation
    rows = results(measured) if measured.exists() else []
    if rows:
        shutil.copy(measured, Run(path).evaluation)
    (path / "README.md").write_text(model_card(model, rows, licence, shown), encoding="utf-8")

    def state() -> dict[str, Tensor]:
        return dict(checkpoint.load(path).networks)

    return _reread(model, translator, state)


def _reread(
    model: LoadedWithFiles, translator: graph.Translator, state: Callable[[], dict[str, Tensor]]
) -> Callable[[Sequence[Tensor]], Tensor]:
    """A fresh method with the weights that were written."""
    from gankit.training.assemble import build_method

    twin = build_method(model.recipe)
    twin.load_state_dict(model.method.state_dict())  # buffers of the method itself
    torch.nn.init.zeros_(next(twin.networks.parameters()))  # so that nothing stays if nothing is read
    twin.networks.load_state_dict(state(), strict=False)  # critics may be missing
    other = graph.Translator(twin.eval().requires_grad_(False), translator.direction).eval()

    def run(inputs: Sequence[Tensor]) -> Tensor:
        with graph.still(twin):
            return other(*inputs)

    return run


def _inputs(translator: graph.Translator, pictures: Sequence[Path], codec: Codec) -> Iterable[tuple[Tensor, ...]]:
    """What the comparison is made on: real pictures cut to fit, or drawn ones of two sizes."""
    torch.manual_seed(0)
    files = [file for path in pictures for file in (list_images(path, codec.extensions) if path.is_dir() else [path])]
    if not translator.takes_pictures or not files:
        yield from (translator.example(*size) for size in translator.sizes())
        return
    for file in files:
        kind = translator.kinds["source"]
        picture = (codec.read(file, kind.channels) if isinstance(kind, Picture) else read_file(kind, file))[None]
        sides = [translator.fixed or min(side, SIDE) for side in picture.shape[2:]]
        if min(sides) < translator.smallest or any(s > p for s, p in zip(sides, picture.shape[2:], strict=True)):
            raise DataError(f"{file}: too small to compare on; {translator.smallest} px are needed")
        smaller = [translator.fixed or max(translator.smallest, 3 * side // 4) for side in sides]
        for height, width in (sides, smaller):
            drawn = translator.example(1, height, width)
            cut = picture[:, :, :height, :width]
            yield tuple(cut if name == "source" else x for name, x in zip(translator.names, drawn, strict=True))
