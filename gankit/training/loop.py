"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from gankit import __version__
from gankit.core.errors import CheckpointError, TrainingError
from gankit.core.recipe import Train
from gankit.data.images import save_png
from gankit.data.loader import Batch, Loader, make_loader
from gankit.training import checkpoint
from gankit.training.assemble import Assembled, make_stepper
from gankit.training.checkpoint import Checkpoint
from gankit.training.devices import Devices
from gankit.training.interrupts import Interrupts
from gankit.training.logs import Log, Meter
from gankit.training.run import Run
from gankit.training.sampling import Sampler
from gankit.training.schedules import Schedule
from gankit.training.seeds import reseed


class Trainer:
    """Trains what a recipe describes, in a run directory.

    A step is one update of every turn; an epoch is `steps_per_epoch` steps, or one pass over the data. Every process
    has its own image pools, of `pool_size` pictures each, filled with its own share of the fakes.
    """

    run: Run

    def __init__(self, parts: Assembled, devices: Devices) -> None:
        self.parts, self.devices = parts, devices
        self.train: Train = parts.recipe.train
        self.method = parts.method
        self.pictures = parts.dataset.split("train")
        self.stepper = make_stepper(parts, devices)
        per_pass = len(self._loader()) / self.train.accumulate
        self.steps_per_epoch = self.train.steps_per_epoch or max(1, round(per_pass))
        self.total = self.train.steps or (self.train.epochs or 1) * self.steps_per_epoch
        self.schedule = self._make_schedule()
        self.meter = Meter()
        self._unread: list[Mapping[str, float]] = []  # losses of the last steps, not counted yet
        self.sampler = Sampler(parts.dataset, self.train.samples, self.train.seed) if devices.main else None
        self.log: Log | None = None

    @property
    def step(self) -> int:
        return self.stepper.steps

    @property
    def epoch(self) -> int:
        return self.step // self.steps_per_epoch

    def open(self, run: Run, resume: bool = False) -> None:
        """Write to this run; with `resume`, go on from its newest checkpoint, if it has one.

        Raises CheckpointError when that cannot be done.
        """
        self.run = run
        path = run.latest() if resume else None
        if path is not None:
            self._restore(path)
        if self.devices.main:
            run.forget_after(self.step)

    def fit(self) -> None:
        """Train to the end. KeyboardInterrupt, with everything saved, when stopped by Ctrl-C or SIGTERM."""
        if self.devices.main:
            self.log = Log(self.run, self.step, self.total)
        try:
            with Interrupts() as interrupts:
                self._loop(interrupts)
        except TrainingError as e:
            raise TrainingError(f"{e}. {self._last_good()}") from e
        finally:
            if self.log:
                self.log.close()

    def _loop(self, interrupts: Interrupts) -> None:
        t, stream = self.train, self._stream()
        self.method.train()
        self.method.set_epoch(self.epoch)
        self.meter.restart_clock()
        while self.step < self.total:
            if self.step % self.steps_per_epoch == 0:
                self.method.set_epoch(self.epoch)
            epoch, batches = self.epoch, [next(stream) for _ in range(t.accumulate)]
            rates = self.stepper.set_rate(self.schedule(epoch if t.decay_every == "epoch" else self.step))
            reseed(t.seed, self.devices.rank, self.step)
            self._unread.append(self.stepper.step(batches))
            self.meter.tick(t.batch_size * t.accumulate * self.devices.world)
            stop = self.devices.any(interrupts.asked)
            self._tell(epoch, rates)
            if self._due(t.save_every) or stop:
                self.save()
            self.meter.restart_clock()
            if stop:
                raise KeyboardInterrupt(f"stopped after step {self.step}; everything is saved")

    def _count(self, leave: int = 0) -> Mapping[str, float] | None:
        """Count the losses of all steps but the last `leave`; the newest of those counted.

        Without `leave` this waits for the device to end its step; the loop leaves it one to work on.
        """
        newest = None
        while len(self._unread) > leave:
            newest = self._unread.pop(0)
            self.meter.add(newest)
        return newest

    def _tell(self, epoch: int, rates: dict[str, float]) -> None:
        """Log and sample, where it is time to."""
        losses = self._count(leave=0 if self._due(self.train.log_every) else 1)
        if self.log is None or self.sampler is None:
            return
        self.log.step(self.step, losses or {}, self.meter.speed)
        if self._due(self.train.log_every):
            self.log.line({"step": self.step, "epoch": epoch, "lr": rates, **self.meter.take()})
        if self._due(self.train.sample_every):
            with self.stepper.averaged():
                grid = self.sampler.grid(self.method)
                product = self.method.product()
            self.log.picture(self.run.sample(self.step), grid, self.step)
            if product is not None:
                save_png(product, self.run.result)

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.total

    # -- data --------------------------------------------------------------------------------------------------------
    def _loader(self, epoch: int = 0, start_batch: int = 0) -> Loader:
        """The batches from there on, pass after pass over the data."""
        t, d = self.train, self.devices
        return make_loader(
            self.pictures,
            t.batch_size,
            seed=t.seed,
            epoch=epoch,
            start_batch=start_batch,
            endless=True,
            workers=t.workers,
            rank=d.rank,
            world=d.world,
            device=d.device,
            place_on_device=t.augment == "device" and d.device.type != "cpu",
        )

    def _stream(self) -> Iterator[Batch]:
        """The batches from this step on."""
        return iter(self._loader(*divmod(self.step * self.train.accumulate, len(self._loader()))))

    # -- saving ------------------------------------------------------------------------------------------------------
    def save(self) -> None:
        """Write a checkpoint of this step; the first process does, with what the others tell it."""
        self._count()
        pools = {d: pool.state_dict() for d, pool in self.stepper.pools.items()}
        processes = self.devices.gather({d: {k: v.cpu() for k, v in pool.items()} for d, pool in pools.items()})
        self.devices.from_main(
            lambda: checkpoint.save(self.run.checkpoints, self._snapshot(processes), self.train.keep)
        )

    def _snapshot(self, pools: list[Any]) -> Checkpoint:
        ema = self.stepper.ema
        return Checkpoint(
            networks=self.method.networks.state_dict(),
            ema=None if ema is None else ema.module.state_dict(),
            state={"stepper": self.stepper.state_dict(), "pools": pools, "meter": self.meter.state_dict()},
            info={
                "step": self.step,
                "epoch": self.epoch,
                "items": len(self.pictures),
                "steps_per_epoch": self.steps_per_epoch,
                "recipe": self.parts.recipe.filled(),
                "versions": {"gankit": __version__, "torch": torch.__version__},
            },
        )

    def _restore(self, path: Path) -> None:
        stored = checkpoint.load(path)
        self._refuse_other_circumstances(path, stored)
        try:
            self.method.networks.load_state_dict(dict(stored.networks))
            if self.stepper.ema is not None:
                self.stepper.ema.module.load_state_dict(dict(stored.ema or {}))
            self.stepper.load_state_dict(stored.state["stepper"])
            for direction, state in stored.state["pools"][self.devices.rank].items():
                self.stepper.pools[direction].load_state_dict(state)
            self.meter.load_state_dict(stored.state["meter"])
        except (KeyError, ValueError, RuntimeError, TypeError) as e:
            raise CheckpointError(f"{path} does not fit this recipe: {e}") from e

    def _refuse_other_circumstances(self, path: Path, stored: Checkpoint) -> None:
        if "pools" not in stored.state:
            raise CheckpointError(
                f"{path} holds imported weights and no state of a training: it cannot be "
                "continued; begin a new training from it: gankit train RECIPE --from RUN"
            )
        for what, now, then in (
            ("training pictures", len(self.pictures), stored.info["items"]),
            ("steps in an epoch", self.steps_per_epoch, stored.info["steps_per_epoch"]),
            ("processes", self.devices.world, len(stored.state["pools"])),
        ):
            if now != then:
                raise CheckpointError(
                    f"{path} was written with {then} {what} and there are {now} now: it cannot go on exactly"
                )

    def _last_good(self) -> str:
        path = self.run.latest()
        if path is None:
            return "No checkpoint was written yet. Lower train.optimizer.lr or set train.clip_norm, and start again"
        return f"The last good checkpoint is {path}. Lower train.optimizer.lr or set train.clip_norm, and train again"

    # -- what the recipe says ----------------------------------------------------------------------------------------
    def _make_schedule(self) -> Schedule:
        t = self.train
        if t.schedule == "step":
            return Schedule("step", self.total, drop_every=t.drop_every, drop_factor=t.drop_factor)
        if t.decay_every == "step":
            return Schedule(t.schedule, self.total, t.decay_from, "last_zero")
        epochs = math.ceil(self.total / self.steps_per_epoch)
        early = t.decay_at == "start" and epochs > 1  # a training of one epoch would have rate 0 throughout
        return Schedule(t.schedule, epochs, t.decay_from, "epoch_start" if early else "epoch_end")
