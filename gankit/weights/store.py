"""Where weights are looked for.

In this order: the path that the recipe gives; the folder that `GANKIT_WEIGHTS` names; gankit's own store, which
`gankit weights add` fills; torch's cache of downloads; the network. `GANKIT_OFFLINE=1` leaves the last one out.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import socket
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from gankit.core.download import PATIENCE, offline
from gankit.core.errors import CheckpointError
from gankit.core.files import drafting
from gankit.weights.known import KNOWN, KnownFile, known_of

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".model", ".pkl", ".tar")


class WeightsError(CheckpointError, ValueError):
    """Weights are missing, or are not those of the network. In a recipe it is reported at the network's place."""


@dataclass(frozen=True)
class Found:
    """A file of weights. path: None for one that was only asked for, and can be fetched. where: in words."""

    path: Path | None
    sha256: str
    where: str
    known: KnownFile | None = None


def own_folder() -> Path:
    """gankit's own folder of weights; it need not be there yet."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "gankit" / "weights"


def hub() -> Path:
    """Where torch keeps what it has downloaded."""
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


def folders() -> dict[str, Path]:
    """The folders that are searched, in order, by what to call them. Raises WeightsError for a wrong GANKIT_WEIGHTS."""
    own = os.environ.get("GANKIT_WEIGHTS")
    if own and not Path(own).is_dir():
        raise WeightsError(f"GANKIT_WEIGHTS names {own}, which is not a folder")
    named = {"GANKIT_WEIGHTS": Path(own)} if own else {}
    return named | {"store": own_folder(), "torch hub": hub()}


def find(network: str, weights: str = "pretrained", fetch: bool = True, source: KnownFile | None = None) -> Found:
    """The weights of a network.

    weights: `pretrained`, or a path: of the file, or of a folder that has it. fetch: download what is nowhere here;
    otherwise only ask whether it could be. source: where, for a network that is not in the table of known files.
    Raises WeightsError: which file, where to get it, where to put it.
    """
    if weights != "pretrained":
        return _given(network, Path(weights).expanduser())
    if here := local(network):
        return here
    known = source or next(iter(known_of(network)), None)
    if known is None or known.url is None:
        raise WeightsError(missing(network))
    if path := fetched(known):
        return Found(path, sha256(path), "fetched", known)
    if why := _download(known) if fetch else _unreachable(known):
        raise WeightsError(missing(network, why, source))
    path = fetched(known)
    return Found(path, sha256(path), "fetched", known) if path else Found(None, known.sha256, "to be fetched", known)


def local(network: str) -> Found | None:
    """The weights of a network where they are on this machine. Raises WeightsError for a damaged file."""
    for where, folder in folders().items():
        for path in _candidates(folder, network):
            return _found(path, where)
    return None


def _given(network: str, path: Path) -> Found:
    if path.is_dir():
        inside = next(_candidates(path, network), None)
        if inside is None:
            names = ", ".join(known.file for known in known_of(network)) or f"{network}.safetensors"
            raise WeightsError(f"{path} has no weights of {network}: they would be called {names}")
        path = inside
    if not path.is_file():
        hint = "" if path.suffix else "; weights are `pretrained`, `random`, or the path of a file"
        raise WeightsError(f"there is no file {path}{hint}")
    digest = sha256(path)
    return Found(path, digest, "recipe", identify(digest))


def _found(path: Path, where: str) -> Found:
    digest = sha256(path)
    known = identify(digest)
    for usual in KNOWN:
        if usual.file == path.name and known is None:
            raise WeightsError(
                f"{path} is called as a file is whose SHA-256 begins with {usual.sha256[:8]}, but its own is "
                f"{digest[:8]}...: it is damaged, or another file. Replace it, or give it by its path"
            )
    return Found(path, digest, where, known)


def _candidates(folder: Path, network: str) -> Iterator[Path]:
    """Files of a folder, or of the folders in it, that are a network's by their name or by their hash."""
    if not folder.is_dir():
        return
    places = [folder, *sorted(p for p in folder.iterdir() if p.is_dir())]
    names = [f"{network}{suffix}" for suffix in SUFFIXES] + [known.file for known in known_of(network)]
    for place in places:
        yield from (place / name for name in names if (place / name).is_file())
    sizes = {known.size for known in known_of(network)}
    for place in places:
        for path in sorted(p for p in place.iterdir() if p.suffix in SUFFIXES and p.is_file()):
            known = identify(sha256(path)) if path.stat().st_size in sizes else None
            if known is not None and known.network == network:
                yield path


def missing(network: str, why: str = "", source: KnownFile | None = None) -> str:
    """What to do about weights that are not here."""
    files = (source,) if source else known_of(network)
    if source:
        what, usual = source.about, f"{network}.safetensors"
    elif files:
        what = " or ".join(known.about for known in files)
        usual = files[0].file
    else:
        what, usual = f"{network}.safetensors or {network}.pth, its state dict", f"{network}.safetensors"
    tried = f"; fetching it failed: {why}" if why else ""
    searched = ", ".join(f"{path} ({name})" for name, path in folders().items())
    return (
        f"the pretrained weights of {network} are not on this machine: {what}{tried}. Run `gankit weights add {usual} "
        f"--as {network}`, put the file into a folder and name that by GANKIT_WEIGHTS, or set `weights: PATH` "
        f"(`weights: random` for untrained features). Looked into {searched}"
    )


# -- what a file is ------------------------------------------------------------------------------------------------
def sha256(path: Path) -> str:
    """Of a file; computed once for as long as the file stays as it is."""
    status = path.stat()
    return _sha256(path.resolve(), status.st_mtime_ns, status.st_size)


@functools.lru_cache(256)
def _sha256(path: Path, changed: int, size: int) -> str:
    del changed, size
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identify(sha256: str) -> KnownFile | None:
    """The known file of this hash."""
    return next((known for known in KNOWN if known.matches(sha256)), None)


# -- filling the store -----------------------------------------------------------------------------------------------
def add(file: Path, network: str) -> Path:
    """Copy a file into the store as the weights of a network, whole or not at all; return where it is now."""
    path = own_folder() / f"{network}{file.suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with drafting(path) as draft:
        with file.open("rb") as source, draft.open("wb") as target:
            shutil.copyfileobj(source, target, 2**20)
        draft.replace(path)
    for suffix in SUFFIXES:
        if suffix != file.suffix:
            path.with_suffix(suffix).unlink(missing_ok=True)
    return path


def listing() -> list[tuple[str, Found]]:
    """All files of weights on this machine: (network, or "" where nothing tells, and the file)."""
    files = []
    for where, folder in folders().items():
        if folder.is_dir():
            for path in sorted(p for s in SUFFIXES for p in (*folder.glob(f"*{s}"), *folder.glob(f"*/*{s}"))):
                digest = sha256(path)
                known = identify(digest)
                network = known.network if known else path.stem if where == "store" else ""
                files.append((network, Found(path, digest, where, known)))
    return files


# -- the network -----------------------------------------------------------------------------------------------------
_failures: dict[str, str] = {}
_HUGGING_FACE = "https://huggingface.co/"


def hugging_face(network: str, repository: str, file: str) -> KnownFile:
    """A file that the Hugging Face hub keeps; its own cache has it once it is fetched."""
    return KnownFile(network, file, "", url=f"{_HUGGING_FACE}{repository}/resolve/main/{file}")


def fetched(known: KnownFile) -> Path | None:
    """Where a file is that was fetched before."""
    if at := _on_hugging_face(known):
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(*at)
        return Path(path) if isinstance(path, str) else None
    path = hub() / known.file
    return path if path.is_file() else None


def _on_hugging_face(known: KnownFile) -> tuple[str, str] | None:
    if not (known.url or "").startswith(_HUGGING_FACE):
        return None
    repository, _, file = str(known.url).removeprefix(_HUGGING_FACE).partition("/resolve/main/")
    return repository, file


def _download(known: KnownFile) -> str:
    """Fetch a file into the cache of who keeps it. Returns why it failed, or nothing."""

    if why := _unreachable(known):  # at once, where a client would try again and again
        return why

    def fetch() -> None:
        if at := _on_hugging_face(known):
            from huggingface_hub import hf_hub_download

            hf_hub_download(*at, etag_timeout=PATIENCE)
        else:
            import torch

            hub().mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(str(known.url), str(hub() / known.file), known.sha256)

    return _trying(known.file, fetch)


def _unreachable(known: KnownFile) -> str:
    """Why a file cannot be fetched, or nothing."""
    request = urllib.request.Request(str(known.url), method="HEAD")
    return _trying(known.file, lambda: urllib.request.urlopen(request).close())


def _trying(what: str, act: Callable[[], None]) -> str:
    """Why an act of the network fails, or nothing. What failed once is not tried again by this process."""
    if offline():
        return "GANKIT_OFFLINE or HF_HUB_OFFLINE is set"
    if what not in _failures:
        patience = socket.getdefaulttimeout()
        socket.setdefaulttimeout(PATIENCE)
        try:
            act()
            return ""
        except Exception as e:  # whatever a server, a proxy or the hub's client comes up with; another hash, too
            reason = str(e.reason if isinstance(e, URLError) else e).strip() or type(e).__name__
            _failures[what] = reason.splitlines()[0]
        finally:
            socket.setdefaulttimeout(patience)
    return _failures[what]
