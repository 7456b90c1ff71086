"""Runs on the Hugging Face Hub: `gankit push RUN USER/NAME`, and `gankit.load("hf:USER/NAME")`.

A repository holds what `gankit export --to hub-folder` writes, and pictures. Of a repository nothing is fetched but the
index, the safetensors, the recipe and the figures: what else lies there, pickles among it, stays there.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gankit.core.errors import CheckpointError, DataError, GankitError, printable, short
from gankit.interop.card import Shown
from gankit.interop.export import LoadedWithFiles, export
from gankit.training.checkpoint import EMA, INDEX, NETWORKS, STATE
from gankit.training.run import Run

PREFIX = "hf:"
WANTED = (INDEX, NETWORKS, EMA, STATE, "recipe.yaml", "evaluation.json")
"""The names that are fetched."""
NEEDED = (INDEX, NETWORKS, STATE)
GRID, MEASURED = "samples.png", "evaluation.png"
_NAME = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", re.ASCII)


class Api(Protocol):
    """What is used of `huggingface_hub.HfApi`; tests have a double of it."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> Any: ...
    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> Any: ...
    def list_repo_files(self, repo_id: str, *, revision: str | None) -> list[str]: ...
    def snapshot_download(
        self, repo_id: str, *, revision: str | None, allow_patterns: list[str], local_files_only: bool
    ) -> str: ...


@dataclass(frozen=True)
class Parcel:
    """What is about to be pushed. files: their names and bytes."""

    repo: str
    private: bool
    files: dict[str, int]


def is_hub(place: str | os.PathLike[str]) -> bool:
    """Whether it is `hf:USER/NAME`, and no path."""
    return os.fspath(place).startswith(PREFIX)


def fetch(place: str, api: Api | None = None) -> Path:
    """The folder of `hf:USER/NAME` or `hf:USER/NAME@REVISION`, in the cache of huggingface_hub.

    With HF_HUB_OFFLINE or GANKIT_OFFLINE it is what the cache has. Raises DataError for a name that is none,
    CheckpointError for a repository that is not there or holds no run of gankit, GankitError where the Hub cannot be
    reached.
    """
    repo, revision = _named(place.removeprefix(PREFIX))
    hub = api or _api()
    offline = any(os.environ.get(name, "") not in ("", "0") for name in ("HF_HUB_OFFLINE", "GANKIT_OFFLINE"))
    with _told(repo):
        if not offline:
            _refuse_foreign(repo, hub.list_repo_files(repo, revision=revision))
        folder = Path(
            hub.snapshot_download(repo, revision=revision, allow_patterns=list(WANTED), local_files_only=offline)
        )
    _refuse_foreign(repo, [path.name for path in folder.iterdir()])
    return folder


def push(
    model: LoadedWithFiles,
    repo: str,
    *,
    licence: str,
    data_licence: str = "unknown",
    private: bool = True,
    message: str = "Add a run of gankit",
    agree: Callable[[Parcel], bool],
    api: Api | None = None,
) -> str | None:
    """Put a loaded run (`gankit.load`) on the Hub; its address, or None where `agree` says no.

    agree: is shown what would be pushed, and decides; before it says yes nothing leaves this machine. The run is
    written as a hub folder first, read back and compared. private: of a repository that does not exist yet; one that
    does stays as it is. Raises DataError for a name that is none, GankitError where the Hub refuses or cannot be
    reached.
    """
    repo, revision = _named(repo.removeprefix(PREFIX))
    if revision is not None:
        raise DataError(f"{repo}@{revision}: a push goes to the main branch; leave @{revision} out")
    with tempfile.TemporaryDirectory(prefix="gankit-push-") as place:
        folder = Path(place) / "hub"
        pictures = _pictures(Run(Path(model.run_dir)), Path(place))
        source = f"{PREFIX}{repo}"
        shown = Shown(source, {path.name: caption for path, caption in pictures.items()}, data_licence)
        export(model, "hub-folder", folder, licence=licence, shown=shown)
        for path in pictures:
            shutil.move(path, folder / path.name)
        parcel = Parcel(repo, private, {p.name: p.stat().st_size for p in sorted(folder.iterdir())})
        if not agree(parcel):
            return None
        hub = api or _api()
        with _told(repo):
            hub.create_repo(repo, private=private, exist_ok=True)
            hub.upload_folder(repo_id=repo, folder_path=str(folder), commit_message=message)
    return f"https://huggingface.co/{repo}"


def _named(text: str) -> tuple[str, str | None]:
    match = _NAME.fullmatch(text)
    if match is None or ".." in text or len(text) > 200:
        hint = "write it as USER/NAME, or USER/NAME@REVISION to load"
        raise DataError(f"'{printable(short(text))}' is no repository: {hint}")
    return match[1], match[2]


def _refuse_foreign(repo: str, names: list[str]) -> None:
    """Raise CheckpointError for a repository that holds no run."""
    missing = [name for name in NEEDED if name not in names]
    if not missing:
        return
    unsafe = sorted(name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt")))
    more = ""
    if unsafe:
        more = f". It has {printable(short(unsafe[0]))}, which is not read, for files of that kind can run code"
    raise CheckpointError(f"{repo} is no run of gankit: it has no {' and no '.join(missing)}{more}")


def _pictures(run: Run, place: Path) -> dict[Path, str]:
    """Copies of the newest sample grid and of the measured pictures, with captions."""
    found = {GRID: (run.grids()[-1:], "samples of the training"), MEASURED: ([run.evaluation_picture], "test pictures")}
    copies: dict[Path, str] = {}
    for name, (paths, caption) in found.items():
        for path in paths:
            if path.is_file():
                copies[Path(shutil.copyfile(path, place / name))] = caption
    return copies


def _api() -> Api:
    from huggingface_hub import HfApi

    from gankit import __version__

    return HfApi(library_name="gankit", library_version=__version__)


@contextmanager
def _told(repo: str) -> Iterator[None]:
    """What the Hub and its client raise becomes a sentence."""
    from huggingface_hub import errors

    failures: Any = errors.HfHubHTTPError.__bases__  # OSError, and those of its client: httpx, from 2.0 on httpx2
    try:
        yield
    except errors.LocalTokenNotFoundError as e:
        raise GankitError("the Hub does not know you: `hf auth login` logs in, or HF_TOKEN holds a token") from e
    except errors.GatedRepoError as e:
        raise CheckpointError(f"{repo} asks for consent to its terms: give it on its page, and log in") from e
    except errors.RepositoryNotFoundError as e:
        raise CheckpointError(f"{repo} is not on the Hub, or private and not yours: `hf auth login` logs in") from e
    except errors.RevisionNotFoundError as e:
        raise CheckpointError(f"{repo} has no such revision") from e
    except errors.LocalEntryNotFoundError as e:
        raise CheckpointError(
            f"{repo} is not in this machine's cache, and the Hub was not asked, or not reached"
        ) from e
    except errors.HFValidationError as e:
        raise DataError(f"{repo} is no name of a repository: {short(str(e))}") from e
    except errors.HfHubHTTPError as e:
        status = e.response.status_code if e.response is not None else "no"
        hint = "; `hf auth login` logs in with a token that may write" if status in (401, 403) else ""
        raise GankitError(f"the Hub refused {repo} with status {status}{hint}") from e
    except failures as e:
        raise GankitError(f"the Hub cannot be reached for {repo}: {short(str(e) or type(e).__name__)}") from e
