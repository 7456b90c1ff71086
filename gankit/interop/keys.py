"""What the importers of other projects' weights share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gankit.core.errors import CheckpointError

State = Mapping[str, Tensor]
"""A network's weights by name."""
Imported = tuple[dict[str, Any], dict[str, Tensor]]
"""A recipe fragment that describes the network, and its weights under gankit's names."""


def plain(state: State) -> dict[str, Tensor]:
    """The state dict without the `module.` that DataParallel puts before each name."""
    return {key.removeprefix("module."): value for key, value in state.items()}


def refuse(what: str, why: str) -> CheckpointError:
    """The error of an importer: these are not the weights of `what`."""
    return CheckpointError(f"these are not the weights of {what}: {why}")
