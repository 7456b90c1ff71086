"""`gankit translate`: pictures through a trained method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gankit.cli.common import Checkpoint


def translate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.", show_default=False)],
    inputs: Annotated[
        list[Path], typer.Argument(metavar="FILE|DIR", help="Pictures, and folders of pictures.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The folder for the results.", show_default=False)],
    direction: Annotated[str, typer.Option(help="a2b or b2a; the method's first direction if not given.")] = "",
    attention: Annotated[bool, typer.Option(help="Also write the attention maps, if the method has them.")] = True,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="What to fill (inpainting): a picture that is white in the hole, or a folder of such pictures with "
            "the same names."
        ),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="What the run needs besides the picture, as label=2, pose=0.1,0.2 or segmentation=map.png: a value, a "
            "file, or a folder of files with the same names. Repeatable.",
        ),
    ] = None,
    styles: Annotated[
        int | None, typer.Option(min=1, help="How many results to make of each picture, in random styles (munit).")
    ] = None,
    style_image: Annotated[
        Path | None, typer.Option(help="Translate in the style of this picture of the target domain (munit).")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The seed of the random styles; 0 if not given.")] = None,
    tile: Annotated[
        int, typer.Option(min=0, help="Pictures with a longer side are computed in tiles of this size; 0: never.")
    ] = 2048,
    load_size: Annotated[
        int | None,
        typer.Option(min=4, help="Resize each picture first to this width and height, as in the test split."),
    ] = None,
    preprocess: Annotated[
        Literal["resize_and_crop", "scale_width"],
        typer.Option(help="With --load-size: scale_width keeps the proportions and sets the width."),
    ] = "resize_and_crop",
    limit: Annotated[int | None, typer.Option(min=1, help="Translate no more than the first N pictures.")] = None,
    checkpoint: Checkpoint = "last",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...; auto takes a GPU if there is one.")] = "auto",
) -> None:
    """Translate pictures of any size to PNG, and videos to MP4.

    Folders are searched with their subfolders, whose structure is kept. `photo.jpg` becomes `photo.png`, with
    `photo_attention.png` beside it. Files of other kinds, such as 16-bit TIFFs of a run that was trained on them, are
    read and written by the codecs of the run, in the source's kind and depth. Transparent pictures are laid on white;
    inpainting fills what is transparent, or white in the --mask. With --styles the results are `photo_style1.png`,
    `photo_style2.png` and so on. A picture that cannot be read is reported, the others are still translated, and the
    exit code is 1.
    """
    from rich.console import Console
    from rich.progress import Progress

    import gankit
    from gankit.inference.given import pairs
    from gankit.inference.resizing import resizing
    from gankit.inference.translate import translate_paths

    loaded = gankit.load(run, device, checkpoint)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("translating")
        outcome = translate_paths(
            loaded.method,
            inputs,
            out,
            direction or None,
            channels=loaded.channels,
            codecs=loaded.codecs,
            attention=attention,
            overwrite=overwrite,
            tile=tile,
            mask=mask,
            given=pairs(given or ()),
            styles=styles,
            style_image=style_image,
            seed=seed,
            resize=resizing(loaded.recipe, load_size, preprocess),
            limit=limit,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    for reason in outcome.failed:
        console.print(reason, style="red", markup=False, soft_wrap=True)
    for path in outcome.written:
        typer.echo(path)
    if outcome.failed:
        count = len(outcome.failed)
        console.print(f"{count} of {count + len(outcome.written)} pictures could not be translated", style="red")
        raise typer.Exit(1)
