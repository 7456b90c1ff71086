"""Where a training runs: device, precision, and the other processes.

Plain torch: `torchrun` and `accelerate launch` both set the variables that `Devices.open` reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from gankit.core.errors import GankitError

T = TypeVar("T")

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class DeviceError(GankitError):
    """The device that was asked for is not there."""

    exit_code = 2


@dataclass
class Devices:
    """One process's share of a training.

    precision: `bf16` or `fp16` autocast the forward, and fp16 scales its losses; `tf32` rounds the inputs of the GPU's
    products to 10 bits; `fp32` does not, whatever torch's own defaults are. Weights stay fp32.
    """

    device: torch.device
    precision: str = "fp32"
    rank: int = 0
    world: int = 1

    @classmethod
    def open(cls, device: str = "auto", precision: str = "fp32") -> Devices:
        """Choose the device and join the process group when started by torchrun or accelerate."""
        rank, world, local = (int(os.environ.get(k, d)) for k, d in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0)))
        chosen = cls.choose(device)
        if precision == "tf32" and chosen.type != "cuda":
            raise DeviceError(
                f"tf32 is of CUDA devices, and this is {chosen.type}: set train.precision to fp32 or bf16"
            )
        if chosen.type == "cuda" and chosen.index is None:
            chosen = torch.device("cuda", local)
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
        if world > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
        return cls(chosen, precision, rank, world)

    @staticmethod
    def choose(device: str = "auto") -> torch.device:
        """`auto` is the GPU where there is one. Raises DeviceError for a device that is not here."""
        if device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            chosen = torch.device(device)
        except RuntimeError:
            raise DeviceError(f"no device is called '{device}'; there are auto, cpu, cuda, cuda:1 ...") from None
        if not _is_here(chosen):
            raise DeviceError(f"torch sees no device {device} here: take auto or cpu")
        return chosen

    def close(self) -> None:
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()

    @property
    def main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def autocast(self) -> AbstractContextManager:
        dtype = DTYPES.get(self.precision)
        return torch.autocast(self.device.type, dtype, enabled=dtype is not None)

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """Within this, the GPU's products are of the precision, and cuDNN takes the fastest of its algorithms, unless
        torch was told to be deterministic. On other devices nothing changes."""
        if self.device.type != "cuda":
            yield
            return
        rounded, repeatable = self.precision == "tf32", torch.backends.cudnn.deterministic
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if rounded else "highest")
        try:
            with torch.backends.cudnn.flags(
                enabled=torch.backends.cudnn.enabled,
                benchmark=not repeatable,
                deterministic=repeatable,
                allow_tf32=rounded,
            ):
                yield
        finally:
            torch.set_float32_matmul_precision(before)

    def scaler(self) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its mean over all processes, in one flat message per dtype."""
        if self.world == 1:
            return
        by_dtype: dict[torch.dtype, list[Tensor]] = {}
        for t in tensors:
            by_dtype.setdefault(t.dtype, []).append(t)
        for group in by_dtype.values():
            flat = torch.cat([t.reshape(-1) for t in group])
            dist.all_reduce(flat)
            flat /= self.world
            for t, part in zip(group, flat.split([t.numel() for t in group]), strict=True):
                t.copy_(part.view_as(t))

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the first one's values."""
        if self.world > 1:
            for t in tensors:
                dist.broadcast(t, 0)

    def any(self, flag: bool) -> bool:
        """Whether any process says so."""
        if self.world == 1:
            return flag
        t = torch.tensor(int(flag), device=self.device)
        dist.all_reduce(t, dist.ReduceOp.MAX)
        return bool(t.item())

    def gather(self, value: T) -> list[T]:
        """Every process's value, in the order of their ranks, on the first process; an empty list on the others."""
        if self.world == 1:
            return [value]
        values: list[Any] | None = [None] * self.world if self.main else None
        dist.gather_object(value, values)
        return cast(list[T], values or [])

    def from_main(self, make: Callable[[], T]) -> T:
        """Call `make` on the first process alone and give every process what it returned, or the error it raised."""
        if self.world == 1:
            return make()
        outcome: list[Any] = [None, None]
        if self.main:
            try:
                outcome[0] = make()
            except GankitError as error:
                outcome[1] = error
        dist.broadcast_object_list(outcome)
        if outcome[1] is not None:
            raise outcome[1]
        return outcome[0]


def _is_here(device: torch.device) -> bool:
    """Whether tensors with values can be kept there: not on `meta`, nor on a GPU of another make."""
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError):  # each backend has its own way of saying so
        return False
    return True
