"""`translate_paths`: pictures, folders of them, and videos through a method, written as files of their kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

import torch

from gankit.codecs.base import Codec
from gankit.codecs.image import Image8
from gankit.codecs.images import save_png
from gankit.core.errors import DataError
from gankit.core.files import make_folder
from gankit.data.images import list_images
from gankit.data.transforms import Transform
from gankit.fields import Picture, Segmentation
from gankit.inference.given import provider, read_file, wanted_of
from gankit.inference.holes import Provider
from gankit.inference.resizing import read_resized
from gankit.inference.sample import NOTHING_TO_TRANSLATE
from gankit.inference.styles import Variant, variants
from gankit.inference.tiles import DEFAULT, large
from gankit.inference.video import is_video, translate_video
from gankit.methods.base import Method

ATTENTION = "_attention"
GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601), as PIL has them."""
RGB: Mapping[str, int] = MappingProxyType({"a": 3, "b": 3})
EIGHT_BITS: Mapping[str, Codec] = MappingProxyType({"a": Image8(), "b": Image8()})


@dataclass
class Outcome:
    """What became of the inputs: the pictures written (attention maps not counted), and the reasons for the others."""

    written: list[Path] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def translate_paths(
    method: Method,
    inputs: Sequence[str | Path],
    out: str | Path,
    direction: str | None = None,
    *,
    channels: Mapping[str, int] = RGB,
    codecs: Mapping[str, Codec] = EIGHT_BITS,
    attention: bool = True,
    overwrite: bool = False,
    tile: int = DEFAULT,
    mask: str | Path | None = None,
    given: Mapping[str, str] = MappingProxyType({}),
    styles: int | None = None,
    style_image: str | Path | None = None,
    seed: int | None = None,
    resize: Transform | None = None,
    limit: int | None = None,
    progress: Callable[[float, int], None] | None = None,
) -> Outcome:
    """Translate pictures of any size, one after the other, on the device of the method's parameters.

    inputs: pictures, videos (see `gankit.inference.video`), and folders of pictures, which are searched with their
    subfolders; the subfolders are kept below `out`.
    A file `photo.jpg` becomes `photo.png`, and `photo_attention.png` is its attention map (8-bit grey, the size of the
    picture) where the method has one. Inputs that would share a name keep their extension (`photo.jpg.png`) or get
    a number. Pictures are read as in training, so a transparent one is laid on white and the output is opaque.
    Other kinds of files than 8-bit pictures are written as the source is, in depth and kind, by the target's codec. The
    pictures of one file, such as the slices of a volume, are translated one by one and become one file; they get no
    attention maps.

    direction: the method's first one by default. channels: of each side's pictures. codecs: how each side's pictures
    are read and written, as in training. overwrite: replace files that exist; inputs are never replaced. tile: a
    picture with a longer side is computed in tiles of that side, in bounded memory, with the result of the whole (see
    `gankit.inference.tiles`); whole where the networks do not allow it; 0:
    always whole. mask: of methods that fill holes, see `gankit.inference.holes`. given: what else the method needs, by
    name: a label, numbers, or a file or folder of files; see `gankit.inference.given`. styles, style_image, seed: of
    methods that make more than one picture of each, see `gankit.inference.styles`; `photo_style1.png` is the first of
    several. resize: brings each picture to a size first, see `gankit.inference.resizing`; not where a map or mask of
    the picture's size stands beside it, and not videos. limit: so many inputs at most, the first ones in the order of
    their names. progress: called with (done, total), in results; the frames of a video count as parts of one.

    Raises DataError before anything is written when an input is missing, a folder holds no picture, the direction is
    unknown, `out` is one of the input folders, or an output exists. A picture that cannot be read or does not fit in
    memory is named in `failed`, and the rest go on. A failure to write stops all.
    """
    if method.draws:
        raise DataError(NOTHING_TO_TRANSLATE)
    if method.untranslatable:
        raise DataError(method.untranslatable)
    way = direction or str(method.directions[0])
    if way not in method.directions:
        raise DataError(f"direction must be one of {', '.join(method.directions)}, not '{way}'")
    source_side = method.fields[way].get("source", "a")
    target_side = method.fields[way].get("target", source_side)
    ours, theirs = codecs[source_side], codecs[target_side]
    for side in (source_side, target_side):
        if side in channels and isinstance(method.takes.get(side), Picture):
            codecs[side].refuse_channels(side, channels[side])
    more = provider(method, way, given, None if mask is None else Path(mask), ours)
    example = None if style_image is None else Path(style_image)
    versions = variants(method, way, lambda p: theirs.read(p, channels[target_side]), more, styles, example, seed)
    planned = list(plan([Path(i) for i in inputs], Path(out), [variant.suffix for variant in versions], (ours, theirs)))
    planned = planned[:limit]
    if resize is not None:
        _refuse_resizing(method, way, [source for source, _ in planned])
    jobs = [
        (source, named(target, variant, theirs), variant.more) for source, target in planned for variant in versions
    ]
    _refuse_replacing([(source, target) for source, target, _ in jobs], attention, overwrite)
    outcome = Outcome()
    for done, (source, target, more) in enumerate(jobs):
        if progress:
            progress(done, len(jobs))
        tick = progress and partial(_part, progress, done, len(jobs))
        try:
            if is_video(source):
                _refuse_video(source, ours, theirs)
                film = partial(_frame, method, source, way, channels[source_side], tile, more)
                translate_video(film, source, target, tick)
                outcome.written.append(target)
                continue
            if ours.stacks:
                _refuse_stack(method, way, theirs, source, resize)
                with _of_kind(ours, source):
                    stack = ours.read_stack(source, channels[source_side])
                stack = _stack(method, source, stack, way, tile, more, tick)
                make_folder(target.parent)
                theirs.write_stack(stack, target, like=source)
                outcome.written.append(target)
                continue
            picture = _read(method, source, way, ours, channels[source_side], resize)
            picture, heat = _translate(method, source, picture, way, attention, tile, more)
        except (DataError, MemoryError, RuntimeError) as e:
            reason = str(e) if isinstance(e, DataError) else _out_of_memory(source, e)
            if reason not in outcome.failed:  # the same for each style
                outcome.failed.append(reason)
            continue
        make_folder(target.parent)
        theirs.write(picture, target, like=source)
        if heat is not None:
            save_png(heat * 2 - 1, attention_path(target))
        outcome.written.append(target)
    if progress:
        progress(len(jobs), len(jobs))
    return outcome


def plan(
    inputs: Sequence[Path],
    out: Path,
    suffixes: Sequence[str] = ("",),
    codecs: tuple[Codec, Codec] = (EIGHT_BITS["a"], EIGHT_BITS["b"]),
) -> Iterator[tuple[Path, Path]]:
    """(input, its result) for all pictures, each picture once, no two with one name. Raises DataError.

    suffixes: what the names of a picture's results will have besides. codecs: of sources and of results.
    """
    places = dict(_find(inputs, out, codecs[0].extensions))  # picture -> its place below `out`
    names = Counter(_key(place) for place in places.values())
    stems = Counter(_key(_without_ending(place, codecs[0])) for place in places.values())
    taken: set[str] = set()
    for source, place in places.items():
        plain = _without_ending(place, codecs[0])
        base = place if stems[_key(plain)] > 1 == names[_key(place)] else plain
        name, number = base, 1
        while taken & _results(name, suffixes):
            number += 1
            name = base.with_name(f"{base.name}-{number}")
        taken |= _results(name, suffixes)
        yield source, out / name.with_name(f"{name.name}{'.mp4' if is_video(source) else codecs[1].extension(source)}")


def _without_ending(place: Path, codec: Codec) -> Path:
    """`scan.nii.gz` -> `scan` of a codec with such endings."""
    ending = codec.ending(place) or place.suffix
    return place.with_name(place.name.removesuffix(place.name[-len(ending) :])) if ending else place


def _results(name: Path, suffixes: Sequence[str]) -> set[str]:
    return {_key(name) + suffix + kind for suffix in suffixes for kind in ("", ATTENTION)}


def named(target: Path, variant: Variant, codec: Codec) -> Path:
    """`x.png` -> `x_style1.png`."""
    plain = _without_ending(target, codec).name
    return target.with_name(f"{plain}{variant.suffix}{target.name[len(plain) :]}")


def attention_path(target: Path) -> Path:
    """`x.png` -> `x_attention.png`."""
    return target.with_name(f"{target.stem}{ATTENTION}.png")


def _find(inputs: Sequence[Path], out: Path, extensions: Set[str]) -> Iterator[tuple[Path, Path]]:
    folders = [path for path in inputs if path.is_dir()]
    for path in inputs:
        if path.is_dir():
            if path.resolve() == out.resolve():
                raise DataError(f"{path} is both input and output; name another folder with --out")
            below = Path(path.resolve().name) if len(folders) > 1 else Path()
            for picture in list_images(path, extensions):
                if not picture.resolve().is_relative_to(out.resolve()):  # results of an earlier call
                    yield picture, below / picture.relative_to(path.expanduser())
        elif path.is_file():
            yield path, Path(path.name)
        else:
            why = "it is neither a file nor a folder" if path.exists() else "there is no such file or folder"
            raise DataError(f"{path}: {why}")


def _refuse_replacing(jobs: list[tuple[Path, Path]], attention: bool, overwrite: bool) -> None:
    sources = {source.resolve() for source, _ in jobs}
    targets = [
        path
        for source, target in jobs
        for path in ([target, attention_path(target)] if attention and not is_video(source) else [target])
    ]
    if hit := next((path for path in targets if path.resolve() in sources), None):
        raise DataError(f"{hit} is an input and would be replaced; name another folder with --out")
    existing = [path for path in targets if path.exists()]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise DataError(f"{existing[0]}{more} exists already; name another folder with --out, or add --overwrite")


def _translate(
    method: Method,
    source: Path,
    picture: torch.Tensor,
    direction: str,
    attention: bool,
    tile: int,
    more: Provider | None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The translation (C, H, W) in [-1, 1] and the attention (1, H, W) in [0, 1] of a file's picture (C, H, W)."""
    device = method.device
    output, heat = large(method, _inputs(source, picture[None].to(device), more), direction, tile, attention)
    if not bool(output.isfinite().all()):
        raise DataError(f"{source}: the translation holds NaN or infinite values; take an earlier checkpoint")
    return output[0], None if heat is None else heat[0]


def _stack(
    method: Method,
    source: Path,
    pictures: torch.Tensor,
    direction: str,
    tile: int,
    more: Provider | None,
    tick: Callable[[float], None] | None,
) -> torch.Tensor:
    """The translations (S, C, H, W) of a file's pictures, one after the other; on the CPU."""
    done: list[torch.Tensor] = []
    for picture in pictures:
        done.append(_translate(method, source, picture, direction, False, tile, more)[0].cpu())
        if tick:
            tick(len(done) / len(pictures))
    return torch.stack(done)


def _refuse_stack(method: Method, direction: str, codec: Codec, source: Path, resize: Transform | None) -> None:
    if not codec.stacks:
        raise DataError(f"{source}: a file of several pictures cannot become one of {codec.words}, which holds one")
    if resize is not None:
        raise DataError(f"{source}: the pictures of a stack keep their size: leave --load-size out")
    if beside := [name for name, kind in wanted_of(method, direction).items() if kind.spatial]:
        raise DataError(f"{source}: {beside[0]} has the size of one picture, and this is a stack of them")


def _read(
    method: Method, source: Path, direction: str, codec: Codec, channels: int, resize: Transform | None
) -> torch.Tensor:
    """The source (C, H, W) in [-1, 1], or, of a method that draws pictures of maps, the map."""
    kind = method.takes.get(method.fields[direction].get("source", ""))
    if isinstance(kind, Segmentation):
        classes = read_file(kind, source)
        return classes if resize is None else resize.resize(classes, nearest=True)
    with _of_kind(codec, source):
        return read_resized(source, codec, channels, resize)


@contextmanager
def _of_kind(codec: Codec, source: Path) -> Iterator[None]:
    """A file that cannot be read is told what this run reads, unless its name is that of such a file."""
    try:
        yield
    except DataError as e:
        if codec.reads(source):
            raise
        names = ", ".join(sorted(codec.extensions))
        raise DataError(f"{source}: pictures of this run are read as {codec.words}, of files ending in {names}") from e


def _refuse_resizing(method: Method, direction: str, sources: Sequence[Path]) -> None:
    beside = [name for name, kind in wanted_of(method, direction).items() if kind.spatial]
    if beside:
        raise DataError(
            f"these pictures cannot be resized: {beside[0]} has the size of its picture; leave --load-size out"
        )
    if video := next((source for source in sources if is_video(source)), None):
        raise DataError(f"{video}: videos cannot be resized; leave out --load-size")


def _inputs(source: Path, picture: torch.Tensor, more: Provider | None) -> torch.Tensor | Mapping[str, torch.Tensor]:
    """What the method translates: the picture, and what it needs beside it."""
    return picture if more is None else {"source": picture, **more(source, picture)}


def _refuse_video(source: Path, *codecs: Codec) -> None:
    if deep := next((codec for codec in codecs if codec.stored != torch.uint8), None):
        raise DataError(f"{source}: videos have 8 bits a channel, and pictures of this run are {deep.words}")


def _part(progress: Callable[[float, int], None], done: int, total: int, part: float) -> None:
    progress(done + part, total)


def _frame(
    method: Method, source: Path, way: str, channels: int, tile: int, more: Provider | None, frame: torch.Tensor
) -> torch.Tensor:
    """A frame (1, 3, H, W) of a video, translated."""
    device = method.device
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


def _key(place: Path) -> str:
    """Equal for names that are one file where capitals do not count."""
    return str(place).casefold()
