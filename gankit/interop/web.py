"""A folder that runs an exported network in the browser: one static page, the network, and no code on the server."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gankit.core.errors import DataError
from gankit.core.files import reason
from gankit.evaluation.evaluate import Loaded
from gankit.fields import Field, Label, Mask, Picture, Segmentation, Vector
from gankit.interop import graph

VERSION = "1.30.0"
"""Of onnxruntime-web, when nothing else is named."""
CDN = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{VERSION}/dist"
SCRIPT, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
HASHES = {
    SCRIPT: "sha384-PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG",
    WASM: "sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM",
}
"""Of the two files in the npm package of that version. Browsers refuse what differs."""
PAGE = Path(__file__).parent / "page"
README = """\
# A network of gankit in the browser

Serve this folder as it is, from any host of static files; to look at it here:

    python -m http.server --directory . --bind 127.0.0.1

and open http://127.0.0.1:8000. (Browsers do not run it from a double click: pages of `file:` may not fetch files.)

{runtime}

Licence of the weights, as told at the export: {licence}. onnxruntime-web is Microsoft's, under the MIT licence.
"""


@dataclass(frozen=True)
class Runtime:
    """Where the two files of onnxruntime-web come from: copied from `folder`, or, without one, fetched by the visitor's
    browser from jsDelivr, with their SHA-384.

    folder: `dist` of the npm package, or what holds the two files. Raises DataError where one is missing.
    """

    folder: Path | None = None

    def __post_init__(self) -> None:
        missing = [name for name in HASHES if self.folder is not None and not (self.folder / name).is_file()]
        if missing:
            raise DataError(
                f"{self.folder}: there is no {' and no '.join(missing)}; `npm pack onnxruntime-web@{VERSION}` has both "
                "in package/dist"
            )

    def put(self, path: Path) -> dict[str, dict[str, str]]:
        """Copy what is to be copied; addresses and hashes, for the page."""
        if self.folder is None:
            addresses = {name: (f"{CDN}/{name}", digest) for name, digest in HASHES.items()}
        else:
            (path / "runtime").mkdir()
            try:
                for name in HASHES:
                    shutil.copyfile(self.folder / name, path / "runtime" / name)
            except OSError as e:
                raise DataError(f"{self.folder}: cannot be copied: {reason(e)}") from e
            addresses = {name: (f"runtime/{name}", _digest(path / "runtime" / name)) for name in HASHES}
        keys = {SCRIPT: "script", WASM: "wasm"}
        return {keys[name]: {"url": url, "integrity": digest} for name, (url, digest) in addresses.items()}

    @property
    def words(self) -> str:
        if self.folder is not None:
            return "The runtime lies in runtime/: the page asks no other server for anything."
        return (
            f"The page fetches onnxruntime-web {VERSION} (14 MB) from cdn.jsdelivr.net, and refuses files whose "
            "SHA-384 differs.\n`gankit export --to web --runtime FOLDER` puts it into the folder instead."
        )


def refuse_unfit(translator: graph.Translator, deep: bool) -> None:
    """Raise DataError for a run that a page of pictures does not suit."""
    if not translator.takes_pictures:
        raise DataError("this run draws pictures from noise; the page of --to web translates pictures")
    source = translator.kinds["source"]
    if deep or not isinstance(source, Picture) or source.channels not in (1, 3):
        raise DataError(
            "browsers show pictures of 8 bits, grey or RGB, and those of this run are others: use --to onnx"
        )


@torch.no_grad()
def write_web(
    model: Loaded, translator: graph.Translator, path: Path, about: Mapping[str, str], runtime: Runtime
) -> Callable[[Sequence[Tensor]], Tensor]:
    """Write the folder; returns what runs its network, in onnxruntime. Raises DataError, GankitError."""
    path.mkdir()
    run = graph.write_onnx(graph.capture(translator), translator, path / "model.onnx", dict(about))
    for file in sorted(PAGE.iterdir()):
        shutil.copyfile(file, path / file.name)
    recipe = model.recipe
    told = {
        "title": recipe.about.title or recipe.name,
        "words": f"{recipe.name}: {recipe.method.type.removeprefix('gankit/')}, {translator.direction}.",
        "inputs": [_input(name, kind) for name, kind in translator.kinds.items()],
        "smallest_side": translator.smallest,
        "fixed_side": translator.fixed,
        "licence": about["licence"],
        "runtime": runtime.put(path),
    }
    (path / "about.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    readme = README.format(runtime=runtime.words, licence=" ".join(about["licence"].split()))
    (path / "README.md").write_text(readme, encoding="utf-8")
    return run


def _input(name: str, kind: Field) -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, "kind": type(kind).__name__.lower(), "what": kind.words}
    if isinstance(kind, Label):
        return told | {"classes": kind.classes}
    if isinstance(kind, Vector):
        return told | {"size": kind.size}
    if isinstance(kind, Picture | Segmentation | Mask):
        return told | {"channels": kind.planes}
    return told


def _digest(path: Path) -> str:
    """SHA-384, as pages write it."""
    return "sha384-" + base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode("ascii")
