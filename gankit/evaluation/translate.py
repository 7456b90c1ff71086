"""`translate_paths`: pictures, folders of them, and videos through a method; PNG and MP4 out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from gankit.core.errors import DataError
from gankit.data.images import list_images, read_image, save_png, to_model_range
from gankit.evaluation.holes import Provider, hole_provider
from gankit.evaluation.sample import NOTHING_TO_TRANSLATE
from gankit.evaluation.styles import Variant, variants
from gankit.evaluation.tiles import DEFAULT, large
from gankit.evaluation.video import is_video, translate_video

ATTENTION = "_attention"
GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601), as PIL has them."""
RGB: Mapping[str, int] = MappingProxyType({"a": 3, "b": 3})


@dataclass
class Outcome:
    """What became of the inputs: the pictures written (attention maps not counted), and the reasons for the others."""

    written: list[Path] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def translate_paths(
    method: Any,
    inputs: Sequence[str | Path],
    out: str | Path,
    direction: str | None = None,
    *,
    channels: Mapping[str, int] = RGB,
    attention: bool = True,
    overwrite: bool = False,
    tile: int = DEFAULT,
    mask: str | Path | None = None,
    styles: int | None = None,
    style_image: str | Path | None = None,
    seed: int | None = None,
    progress: Callable[[float, int], None] | None = None,
) -> Outcome:
    """Translate pictures of any size, one after the other, on the device of the method's parameters.

    inputs: pictures, videos (see `gankit.evaluation.video`), and folders of pictures, which are searched with their
    subfolders; the subfolders are kept below `out`.
    A file `photo.jpg` becomes `photo.png`, and `photo_attention.png` is its attention map (8-bit grey, the size of the
    picture) where the method has one. Inputs that would share a name keep their extension (`photo.jpg.png`) or get
    a number. Pictures are read as in training, so a transparent one is laid on white and the output is opaque.

    direction: the method's first one by default. channels: of each side's pictures. overwrite: replace files that
    exist; inputs are never replaced. tile: a picture with a longer side is computed in tiles of that side, in bounded
    memory, with the result of the whole (see `gankit.evaluation.tiles`); whole where the networks do not allow it; 0:
    always whole. mask: of methods that fill holes, see `gankit.evaluation.holes`. styles, style_image, seed: of methods
    that make more than one picture of each, see `gankit.evaluation.styles`; `photo_style1.png` is the first of
    several. progress: called with (done, total), in results; the frames of a video count as parts of one.

    Raises DataError before anything is written when an input is missing, a folder holds no picture, the direction is
    unknown, `out` is one of the input folders, or an output exists. A picture that cannot be read or does not fit in
    memory is named in `failed`, and the rest go on. A failure to write stops all.
    """
    if getattr(method, "draws", False):
        raise DataError(NOTHING_TO_TRANSLATE)
    if why := getattr(method, "untranslatable", ""):
        raise DataError(why)
    way = direction or str(method.directions[0])
    if way not in method.directions:
        raise DataError(f"direction is one of {', '.join(method.directions)}, not '{way}'")
    more = hole_provider(method, None if mask is None else Path(mask))
    example = None if style_image is None else Path(style_image)
    made = variants(method, way, channels, more, styles, example, seed)
    planned = list(plan([Path(i) for i in inputs], Path(out), [variant.suffix for variant in made]))
    jobs = [(source, named(target, variant), variant.more) for source, target in planned for variant in made]
    _refuse_replacing([(source, target) for source, target, _ in jobs], attention, overwrite)
    outcome = Outcome()
    for done, (source, target, more) in enumerate(jobs):
        if progress:
            progress(done, len(jobs))
        try:
            if is_video(source):
                _make_folder(target.parent)
                film = partial(_frame, method, source, way, channels[way.split("2")[0]], tile, more)
                translate_video(film, source, target, progress and partial(_part, progress, done, len(jobs)))
                outcome.written.append(target)
                continue
            picture, heat = _translate(method, source, way, channels[way.split("2")[0]], attention, tile, more)
        except (DataError, MemoryError, RuntimeError) as e:
            reason = str(e) if isinstance(e, DataError) else _out_of_memory(source, e)
            if reason not in outcome.failed:  # the same for each style
                outcome.failed.append(reason)
            continue
        _make_folder(target.parent)
        save_png(picture, target)
        if heat is not None:
            save_png(heat * 2 - 1, attention_path(target))
        outcome.written.append(target)
    if progress:
        progress(len(jobs), len(jobs))
    return outcome


def plan(inputs: Sequence[Path], out: Path, suffixes: Sequence[str] = ("",)) -> Iterator[tuple[Path, Path]]:
    """(input, its PNG) for all pictures, each picture once, no two with one name. Raises DataError.

    suffixes: what the names of a picture's results will have besides.
    """
    found = dict(_find(inputs, out))  # picture -> its place below `out`
    names = Counter(_key(place) for place in found.values())
    stems = Counter(_key(place.with_suffix("")) for place in found.values())
    taken: set[str] = set()
    for source, place in found.items():
        plain = place.with_suffix("")
        base = place if stems[_key(plain)] > 1 == names[_key(place)] else plain
        name, number = base, 1
        while taken & _results(name, suffixes):
            number += 1
            name = base.with_name(f"{base.name}-{number}")
        taken |= _results(name, suffixes)
        yield source, out / name.with_name(f"{name.name}{'.mp4' if is_video(source) else '.png'}")


def _results(name: Path, suffixes: Sequence[str]) -> set[str]:
    return {_key(name) + suffix + kind for suffix in suffixes for kind in ("", ATTENTION)}


def named(target: Path, variant: Variant) -> Path:
    """`x.png` -> `x_style1.png`."""
    return target.with_name(f"{target.stem}{variant.suffix}{target.suffix}")


def attention_path(target: Path) -> Path:
    """`x.png` -> `x_attention.png`."""
    return target.with_name(f"{target.stem}{ATTENTION}.png")


def _find(inputs: Sequence[Path], out: Path) -> Iterator[tuple[Path, Path]]:
    folders = [path for path in inputs if path.is_dir()]
    for path in inputs:
        if path.is_dir():
            if path.resolve() == out.resolve():
                raise DataError(f"{path} is both input and output; name another folder with --out")
            below = Path(path.resolve().name) if len(folders) > 1 else Path()
            for picture in list_images(path):
                if not picture.resolve().is_relative_to(out.resolve()):  # results of an earlier call
                    yield picture, below / picture.relative_to(path.expanduser())
        elif path.is_file():
            yield path, Path(path.name)
        else:
            raise DataError(f"{path}: there is no such file or folder")


def _refuse_replacing(jobs: list[tuple[Path, Path]], attention: bool, overwrite: bool) -> None:
    sources = {source.resolve() for source, _ in jobs}
    targets = [
        path
        for source, png in jobs
        for path in ([png, attention_path(png)] if attention and not is_video(source) else [png])
    ]
    if hit := next((path for path in targets if path.resolve() in sources), None):
        raise DataError(f"{hit} is an input and would be replaced; name another folder with --out")
    existing = [path for path in targets if path.exists()]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise DataError(f"{existing[0]}{more} exists already; name another folder with --out, or say --overwrite")


def _translate(
    method: Any, source: Path, direction: str, channels: int, attention: bool, tile: int, more: Provider | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The translation (C, H, W) in [-1, 1] and the attention (1, H, W) in [0, 1] of a file."""
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    picture = to_model_range(read_image(source, channels))[None].to(device)
    output, heat = large(method, _inputs(source, picture, more), direction, tile, attention)
    if not bool(output.isfinite().all()):
        raise DataError(f"{source}: the translation holds NaN or infinite values; take an earlier checkpoint")
    return output[0], None if heat is None else heat[0]


def _inputs(source: Path, picture: torch.Tensor, more: Provider | None) -> torch.Tensor | Mapping[str, torch.Tensor]:
    """What the method translates: the picture, and what it needs beside it."""
    return picture if more is None else {"source": picture, **more(source, picture)}


def _part(progress: Callable[[float, int], None], done: int, total: int, part: float) -> None:
    progress(done + part, total)


def _frame(
    method: Any, source: Path, way: str, channels: int, tile: int, more: Provider | None, frame: torch.Tensor
) -> torch.Tensor:
    """A frame (1, 3, H, W) of a video, translated."""
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    frame = frame.to(device)
    if channels == 1:
        frame = (frame * frame.new_tensor(GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)
    output = large(method, _inputs(source, frame, more), way, tile)[0]
    if not bool(output.isfinite().all()):
        raise DataError(f"{source}: the translation holds NaN or infinite values; take an earlier checkpoint")
    return output


def _out_of_memory(source: Path, error: Exception) -> str:
    """The reason; any other error than a lack of memory goes on, for the next picture would meet it too."""
    on_cpu = isinstance(error, RuntimeError) and "allocate memory" in str(error)  # torch has no class for it
    if not (on_cpu or isinstance(error, MemoryError | torch.OutOfMemoryError)):
        raise error
    return f"{source}: too large for the memory of this device; make it smaller or cut it into tiles"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise DataError(f"{folder}: the folder cannot be made: {(e.strerror or str(e)).lower()}") from e


def _key(place: Path) -> str:
    """Equal for names that are one file where capitals do not count."""
    return str(place).casefold()
