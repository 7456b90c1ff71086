"""`gankit doctor`"""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import Any

from gankit import __version__
from gankit.cli.common import Json, print_json, print_table

PACKAGES = ("torch", "torchvision", "triton", "timm", "lpips", "einops", "pydantic", "pluggy", "typer")


def doctor(as_json: Json = False) -> None:
    """Show versions, devices, options of speed, kernels and weights of this machine, as bug reports need them."""
    report = examine()
    if as_json:
        return print_json(report)
    for title, content in report.items():
        print(title)
        rows = content.items() if isinstance(content, dict) else [(line,) for line in content]
        print_table(list(rows) or [("none",)], indent=2)


def examine() -> dict[str, Any]:
    """Versions, devices, defaults of speed, kernels, weights and plugins, as plain data."""
    from gankit.core import plugins
    from gankit.core.catalogue import catalogue

    catalogue()
    return {
        "versions": {"gankit": __version__, "python": sys.version.split()[0], "system": platform.platform()}
        | {name: _version(name) for name in PACKAGES},
        "devices": _devices(),
        "speed": _speed(),
        "kernels": _kernels(),
        "weights": _weights(),
        "plugins": [f"{s.dist} {s.version}: {s.state} {s.reason}".strip() for s in plugins.statuses()],
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _devices() -> dict[str, str]:
    import torch

    from gankit.precision import processor_multiplies
    from gankit.training.devices import DTYPES

    lacking = [name for name, dtype in DTYPES.items() if not processor_multiplies(dtype)]
    slow = (
        f"this processor has no instructions for {' and '.join(lacking)}, which make them many times slower than fp32"
        if lacking
        else ""
    )
    kinds = [f"{os.cpu_count()} cores", torch.backends.cpu.get_cpu_capability(), slow]
    devices = {"cpu": ", ".join(filter(None, [*kinds, f"{torch.get_num_threads()} threads for torch"]))}
    for i in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(i)
        devices[f"cuda:{i}"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    return devices


def _speed() -> dict[str, str]:
    """What `train` takes on this machine where a recipe does not say, and why."""
    import torch

    from gankit.training.speed import BATCHES, choices

    device = "cuda" if torch.cuda.is_available() else "cpu"
    small, large = (choices(device, size) for size in BATCHES)
    options = {}
    for name, choice in small.items():
        alike = choice == large[name]
        for size, one in zip(BATCHES, (choice, large[name]), strict=True):
            place = "" if alike else f" at batch {size}"
            options[f"train.{name}{place}"] = f"{'on' if one.value else 'off'}: {one.why}"
    return options


def _kernels() -> dict[str, str]:
    """The form that fused operations have on each device."""
    import torch

    from gankit.kernels.choose import FORCED, uses_triton

    forms = {"GANKIT_KERNELS": FORCED or "not set"}
    for device in ("cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))):
        try:
            forms[f"on {device}"] = "triton" if uses_triton(torch.empty(0, device=device)) else "torch"
        except ValueError as e:
            forms[f"on {device}"] = str(e)
    return forms


def _weights() -> list[str]:
    """Weights of frozen networks that are on this machine: nothing is fetched here."""
    from gankit.weights import WeightsError, listing

    try:
        files = listing()
    except WeightsError as e:
        return [str(e)]
    return [
        f"{network or 'unknown network'}: {file.path} ({file.path.stat().st_size / 2**20:.1f} MB, {file.where}, "
        f"{'known' if file.known else 'unknown'}, SHA-256 {file.sha256[:12]})"
        for network, file in files
        if file.path is not None
    ]
