"""Where a training runs: device, precision, and the other processes.

Plain torch: `torchrun` and `accelerate launch` both set the variables that `Devices.open` reads.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from gankit.core.errors import GankitError
from gankit.precision import float32_products, too_slow

T = TypeVar("T")

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class DeviceError(GankitError):
    """The device that was asked for is not there."""

    exit_code = 2


@dataclass
class Devices:
    """One process's share of a training.

    precision: `bf16` or `fp16` autocast the forward, and fp16 scales its losses; `tf32` rounds the inputs of the GPU's
    products to 10 bits; `fp32` does not, whatever torch's own defaults are. Weights stay fp32. deterministic: a GPU's
    algorithms give the same bits in every run; what has no such algorithm is named by torch, once, in a warning.
    """

    device: torch.device
    precision: str = "fp32"
    rank: int = 0
    world: int = 1
    deterministic: bool = False
    host: Any = None  # on GPUs, the group in which processes talk without their devices

    @classmethod
    def open(cls, device: str = "auto", precision: str = "fp32", deterministic: bool = False) -> Devices:
        """Choose the device and join the process group when started by torchrun or accelerate."""
        rank, world, local = (int(os.environ.get(k, d)) for k, d in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0)))
        chosen = cls.choose(device)
        if precision == "tf32" and chosen.type != "cuda":
            raise DeviceError(
                f"tf32 needs a CUDA device, and this is {chosen.type}: set train.precision to fp32 or bf16"
            )
        if precision in DTYPES and rank == 0 and (why := too_slow(DTYPES[precision], chosen)):
            text = "train.precision is %s, and %s (39 times in a step of CycleGAN with only AVX2): set it to fp32"
            logging.getLogger(__name__).warning(text, precision, why)
        if chosen.type == "cuda" and chosen.index is None:
            chosen = torch.device("cuda", local)
        if deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the GPU is first used
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
        if world > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
        host = dist.new_group(backend="gloo") if world > 1 and chosen.type == "cuda" else None
        return cls(chosen, precision, rank, world, deterministic, host)

    @staticmethod
    def choose(device: str = "auto") -> torch.device:
        """`auto` is the GPU where there is one. Raises DeviceError for a device that is not here."""
        if device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            chosen = torch.device(device)
        except RuntimeError:
            raise DeviceError(
                f"there is no device called '{device}'; the devices are auto, cpu, cuda, cuda:1 ..."
            ) from None
        if not _is_here(chosen):
            raise DeviceError(f"torch finds no device {device} on this machine: use auto or cpu")
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
    def arithmetic(self, tune: bool = True) -> Iterator[None]:
        """Within this, the GPU's products are of the precision, and cuDNN tries its algorithms and takes the fastest,
        unless they are to be deterministic. tune: False where sizes vary, for it tries them for each size anew. On
        other devices nothing changes."""
        if self.device.type != "cuda":
            yield
            return
        cudnn = torch.backends.cudnn
        before = cudnn.benchmark
        cudnn.benchmark = tune and not (self.deterministic or cudnn.deterministic)
        repeatable = _repeatable() if self.deterministic else nullcontext()
        try:
            with float32_products(self.device, self.precision == "tf32"), repeatable:
                yield
        finally:
            cudnn.benchmark = before

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

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        tensors = list(tensors)
        self.average(tensors)
        for t in tensors:
            t.mul_(self.world)

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the first one's values."""
        if self.world > 1:
            for t in tensors:
                dist.broadcast(t.detach(), 0)  # nobody asks for the gradient of a copy

    def any(self, flag: bool) -> bool:
        """Whether any process says so. Asked in every step, so it does not wait for a GPU."""
        if self.world == 1:
            return flag
        t = torch.tensor(int(flag), device=self.device if self.host is None else "cpu")
        dist.all_reduce(t, dist.ReduceOp.MAX, group=self.host)
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


@contextmanager
def _repeatable() -> Iterator[None]:
    """Within this, torch takes algorithms that give the same bits in every run, and warns where it has none."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def _is_here(device: torch.device) -> bool:
    """Whether tensors with values can be kept there: not on `meta`, nor on a GPU of another make."""
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError):  # each backend has its own way of saying so
        return False
    return True
