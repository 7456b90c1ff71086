"""The training loop."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image

from gankit.codecs.images import save_png
from gankit.contracts import CallbackContract, DatasetContract
from gankit.core.errors import BuildError, CheckpointError, TrainingError
from gankit.core.files import write_whole
from gankit.core.sections import Train
from gankit.data.loader import Batch, Loader, make_loader
from gankit.data.none import NoPictures
from gankit.features import load_own_state, own_state
from gankit.methods.base import Method
from gankit.training import checkpoint, history
from gankit.training.assemble import Assembled, make_stepper
from gankit.training.checkpoint import Checkpoint
from gankit.training.devices import Devices
from gankit.training.fingerprint import digest, fingerprints
from gankit.training.graphs import RecordingError
from gankit.training.interrupts import Interrupts
from gankit.training.listeners import Listeners
from gankit.training.logs import Log, Meter
from gankit.training.rates import Rates
from gankit.training.reading import Losses
from gankit.training.resumed import refuse_changed_data, refuse_misfits
from gankit.training.run import Run
from gankit.training.seeds import reseed
from gankit.training.watch import MapWatch, rho_means


class Grids(Protocol):
    """What draws a grid of pictures while a method is trained."""

    def grid(self, method: Method) -> Image.Image: ...


Ruler = Callable[[Method], Sequence[Mapping[str, Any]]]
"""What measures a method while it is trained: the rows of figures."""


class Trainer:
    """Trains what a recipe describes, in a run directory.

    A step is one update of every turn; an epoch is `steps_per_epoch` steps, or one pass over the data. Every process
    has its own image pools, of `pool_size` pictures each, filled with its own share of the fakes.
    """

    run: Run

    def __init__(
        self, parts: Assembled, devices: Devices, samples: Grids | None = None, ruler: Ruler | None = None
    ) -> None:
        self.parts, self.devices = parts, devices
        self.train: Train = parts.recipe.train
        self.method = parts.method
        self.pictures = parts.dataset.split("train")
        self.stepper = make_stepper(parts, devices)
        per_pass = len(self._loader()) / self.train.accumulate
        self.steps_per_epoch = self.train.steps_per_epoch or max(1, round(per_pass))
        self.total = self.train.steps or (self.train.epochs or 1) * self.steps_per_epoch
        self.rates = Rates(parts.make_schedule(), self.total, self.steps_per_epoch)
        self.meter = Meter()
        self.maps = MapWatch()
        self._unread: list[Losses] = []  # of the last steps, not counted yet
        self.samples, self.ruler = samples, ruler
        self.log: Log | None = None
        self.listeners = Listeners(parts.callbacks if devices.main else [], parts.recipe, self.method, self._say)
        self._saved: int | None = None  # the step of the newest checkpoint

    @property
    def step(self) -> int:
        return self.stepper.steps

    @property
    def epoch(self) -> int:
        return self.step // self.steps_per_epoch

    def open(self, run: Run, resume: bool = False, data_changed: bool = False) -> None:
        """Write to this run; with `resume`, go on from its newest checkpoint, if it has one.

        data_changed: go on with other data than those of the checkpoint. Raises CheckpointError when that cannot be
        done, RecipeError when the run has more steps already than the recipe asks for.
        """
        self.run = run
        path = run.latest() if resume else None
        if path is not None:
            self._restore(path, data_changed)
            self._refuse_fewer_steps()
            self._saved = self.step
        else:
            self.stepper.steps = self._first_step()
        if self.devices.main:
            if path is not None:
                run.write_recipe(self.parts.recipe)
            run.forget_after(self.step)
            if self._files:
                write_whole(run.data, json.dumps(self._files))
            history.add(run, self.step, self.devices)

    @cached_property
    def _files(self) -> dict[str, dict[str, str]]:
        """The files of the data and of the method, as they are when the training begins."""
        return fingerprints({**DatasetContract(self.pictures).sources, **self.method.sources})

    def _first_step(self) -> int:
        """Where a new training begins in its schedule. Raises RecipeError where nothing would be left of it."""
        first = self.train.first_epoch * self.steps_per_epoch
        if first >= self.total:
            text = f"nothing is left of {self.total} steps after {self.train.first_epoch} epochs of {first} steps"
            raise self.parts.recipe.error(BuildError(("train", "first_epoch"), text))
        return first

    def _refuse_fewer_steps(self) -> None:
        """Raise RecipeError where the checkpoint is past the end: to go back is not to go on."""
        if self.step > self.total:
            asked = f"{self.total} step{'s' * (self.total != 1)}"
            text = (
                f"asks for {asked} in all, and the run in {self.run.path} has {self.step} already: it was left as it "
                f"is. To go on, ask for more than {self.step}; for a shorter training, take another --out"
            )
            raise self.parts.recipe.error(BuildError(("train", "steps" if self.train.steps else "epochs"), text))

    def fit(self, measure: Callable[[], Sequence[Mapping[str, Any]] | None] | None = None) -> None:
        """Train to the end. KeyboardInterrupt, with everything saved, when stopped by Ctrl-C or SIGTERM.

        measure: called on the first process once the training has come to its end; the rows of figures that it returns
        are told to the callbacks.
        """
        outcome = "failed"
        try:
            self._train()
            if measure is not None and self.devices.main and (results := measure()):
                self._tell("evaluated", results=results)
            outcome = "stopped" if self.listeners.stop else "done"
        except RecordingError:
            raise  # it says what to do; no rate is to blame
        except TrainingError as e:
            raise TrainingError(f"{e}. {self._last_good()}") from e
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            self._tell("end", outcome=outcome)

    def _train(self) -> None:
        if self.devices.main:
            self.log = Log(self.run, self.step, self.total)
            self.log.say(self._beginning())
        try:
            self._tell("begin")
            with Interrupts() as interrupts:
                self._loop(interrupts)
            if self.listeners.stop:
                self._say(f"stopped after step {self.step}: {self.listeners.stop}")
        finally:
            if self.log:
                self.log.close()

    def _beginning(self) -> str:
        """What is trained, on what, how long, and where it is written."""
        recipe, batch = self.parts.recipe, self.train.batch_size * self.train.accumulate * self.devices.world
        method, data = (part.type.removeprefix("gankit/") for part in (recipe.method, recipe.data))
        steps = f"{self.total} step{'s' * (self.total != 1)}"
        steps = f"steps {self.step + 1} to {self.total}" if self.step else steps
        if self.step == self.total:
            return f"{self.run.path} has all {self.total} steps of {recipe.name}: there is nothing left to train"
        items = f"{len(self.pictures)} item{'s' * (len(self.pictures) != 1)}"
        pace = f" on {items} of {data}; {steps} of {batch}, {self.steps_per_epoch} an epoch"
        pace = f"; {steps}" if isinstance(self.pictures, NoPictures) else pace
        return f"training {recipe.name}: {method}{pace}, on {self.devices.device}; written to {self.run.path}"

    def _loop(self, interrupts: Interrupts) -> None:
        t, stream = self.train, self._stream()
        self.method.train()
        self.method.set_epoch(self.epoch)
        resumed = self._saved is not None
        if resumed and self._due(t.sample_every) and not self.run.sample(self.step).exists():
            self._sample()  # it was killed between the checkpoint and the grid
        if resumed and self._measure_due() and not self.run.measured(self.step):
            self._measure()
        self.meter.restart_clock()
        ended = self._asked_to_end()
        while self.step < self.total and not ended:
            if self.step % self.steps_per_epoch == 0:
                self.method.set_epoch(self.epoch)
            epoch, batches = self.epoch, [next(stream) for _ in range(t.accumulate)]
            if self.rates.listens(self.step):
                self._count()
            rates = self.stepper.set_rate(self.rates.factor(self.step))
            reseed(t.seed, self.devices.rank, self.step)
            self._unread.append(self.stepper.step(batches))
            self.meter.tick(t.batch_size * t.accumulate * self.devices.world)
            self._report(epoch, rates)
            if self._save_due() or (self._saved is None and self._due(t.sample_every)):
                self.save()  # before the samples: whatever becomes of them, there is something to go on from
            if self._due(t.sample_every):
                self._sample()
            if self._measure_due():
                self._measure()
            interrupted = self.devices.any(interrupts.asked)
            ended = interrupted or self._asked_to_end()
            if ended and self._saved != self.step:
                self.save()
            self.meter.restart_clock()
            if interrupted:
                raise KeyboardInterrupt(f"stopped after step {self.step}; everything is saved")
        if self._saved is None:
            self.save()  # asked to end before the first step

    def _count(self, leave: int = 0) -> Mapping[str, float] | None:
        """Count the losses of all steps but the last `leave`; the newest of those counted.

        Without `leave` this waits for the device to end its step; the loop leaves it one to work on.
        """
        newest = None
        while len(self._unread) > leave:
            newest = self._unread.pop(0)
            self.meter.add(newest, newest.watched)
            self.rates.add(newest)
        return newest

    def _report(self, epoch: int, rates: dict[str, float]) -> None:
        """Say what a step has done; log it, where it is time to."""
        losses = self._count(leave=0 if self._due(self.train.log_every) else 1) or {}
        if self.log is None:
            return
        self.log.step(self.step, losses, self.meter.speed)
        told = {"rates": rates, "seconds": self.meter.seconds, "speed": self.meter.speed}
        self._tell("step", losses=dict(losses), **told)
        if self._due(self.train.log_every):
            record = {"step": self.step, "epoch": epoch, "lr": rates, **self.meter.take()}
            rho = rho_means(self.method) if "rho" in self.train.watch else {}
            more = {"watched": record.pop("watched") | rho, "augments": self._numbers()}
            self.log.line(record | {name: values for name, values in more.items() if values})
            self._tell("log", losses=record["losses"], **more, **told)
            for text in self.maps.hear(more["watched"]):
                self._say(f"step {self.step}: {text}")

    def _numbers(self) -> dict[str, float]:
        """What the augments tell of themselves, by `place.name`: `0.p`."""
        each = enumerate(self.parts.augments)
        return {f"{i}.{name}": value for i, augment in each for name, value in augment.numbers().items()}

    def _sample(self) -> None:
        """Draw a grid of samples. One that fails costs a line."""
        if self.log is None or self.samples is None:
            return
        path = self.run.sample(self.step)
        try:
            with self.stepper.averaged():
                if (product := self.method.product()) is not None:
                    save_png(product, self.run.result)
                grid = self.samples.grid(self.method)
            self.log.picture(path, grid)
        except Exception as e:
            self._say(f"step {self.step}: there is no sample grid: {type(e).__name__}: {e}")
        else:
            self._tell("sample", picture=grid, file=path)

    def _save_due(self) -> bool:
        return self._due(self.train.save_every) or bool(self.train.keep_every and self._due(self.train.keep_every))

    def _measure_due(self) -> bool:
        return self.train.measure is not None and self._due(self.train.measure.every)

    def _measure(self) -> None:
        """Measure the networks, averaged where the recipe averages; keep the checkpoint if a callback asks for that."""
        if self.log is not None and self.ruler is not None:
            with self.stepper.averaged():
                results = self.ruler(self.method)
            self.log.measured(self.step, results)
            self._tell("measured", results=results)
        asking = any(CallbackContract(callback).may_keep for callback in self.parts.callbacks)
        if asking and self.devices.any(self.listeners.keep is not None):
            if self._saved != self.step:
                self.save()
            if (keep := self.listeners.keep) is not None:
                checkpoint.keep_as(self.run.checkpoint("last"), keep.name)
                self._say(f"step {self.step}: kept as {keep.name}{f': {keep.reason}' if keep.reason else ''}")
                self.listeners.keep = None

    def _tell(self, name: str, **facts: Any) -> None:
        """Tell the callbacks."""
        epoch = max(self.step - 1, 0) // self.steps_per_epoch
        self.listeners.tell(name, self.run.path, step=self.step, total=self.total, epoch=epoch, **facts)

    def _asked_to_end(self) -> bool:
        """Whether a callback asks for the end, in all processes alike."""
        asking = any(CallbackContract(callback).may_stop for callback in self.parts.callbacks)
        return asking and self.devices.any(self.listeners.stop is not None)

    def _say(self, text: str) -> None:
        """A line on stderr."""
        if self.log is not None:
            self.log.say(text)
        else:
            print(text, file=sys.stderr)

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
            shuffle=t.shuffle,
            place_on_device=t.place == "device" and d.device.type != "cpu",
        )

    def _stream(self) -> Iterator[Batch]:
        """The batches from this step on."""
        return iter(self._loader(*divmod(self.step * self.train.accumulate, len(self._loader()))))

    # -- saving ------------------------------------------------------------------------------------------------------
    def save(self) -> None:
        """Write a checkpoint of this step; the first process does, with what the others tell it."""
        self._count()
        processes = self.devices.gather(self._own())
        path = self.devices.from_main(
            lambda: checkpoint.save(
                self.run.checkpoints, self._snapshot(processes), self.train.keep, self.train.keep_every
            )
        )
        self._saved = self.step
        self._tell("checkpoint", file=path)

    def _own(self) -> dict[str, Any]:
        """What this process has for itself: its pools, and the buffers of its networks if `networks` is not theirs."""
        pools = {d: {k: v.cpu() for k, v in pool.state_dict().items()} for d, pool in self.stepper.pools.items()}
        networks = self.method.networks
        names = set() if self.devices.main else {name for name, _ in networks.named_buffers()}
        return {"pools": pools, "buffers": {k: v.cpu() for k, v in own_state(networks).items() if k in names}}

    def _snapshot(self, processes: list[Any]) -> Checkpoint:
        own = {"stepper": self.stepper, "meter": self.meter, "rates": self.rates, "callbacks": self.listeners}
        return Checkpoint(
            networks=own_state(self.method.networks),
            ema=self.stepper.average(),
            state={name: one.state_dict() for name, one in own.items()} | {"processes": processes},
            info={
                "step": self.step,
                "epoch": self.epoch,
                "items": len(self.pictures),
                "data": digest(self._files) if self._files else None,
                "steps_per_epoch": self.steps_per_epoch,
                "recipe": self.parts.recipe.filled(),
                "versions": self.parts.recipe.made_with() | {"torch": torch.__version__},
            },
        )

    def _restore(self, path: Path, data_changed: bool) -> None:
        stored = checkpoint.load(path)
        here = {
            "training pictures": len(self.pictures),
            "steps in an epoch": self.steps_per_epoch,
            "processes": self.devices.world,
        }
        if not data_changed:
            refuse_changed_data(self.run, stored, self._files)
        refuse_misfits(path, stored, self.parts.recipe, here, data_changed)
        try:
            process = stored.state["processes"][self.devices.rank]
            load_own_state(self.method.networks, {**stored.networks, **process["buffers"]})
            if self.stepper.ema is not None:
                load_own_state(self.stepper.ema.module, stored.ema or {})
            self.stepper.load_state_dict(stored.state["stepper"])
            for direction, state in process["pools"].items():
                self.stepper.pools[direction].load_state_dict(state)
            self.meter.load_state_dict(stored.state["meter"])
            self.rates.load_state_dict(stored.state["rates"])
            if self.devices.main:
                self.listeners.load_state_dict(stored.state["callbacks"])
        except (LookupError, ValueError, RuntimeError, TypeError, AttributeError) as e:
            raise CheckpointError(f"{path} does not fit this recipe: {e}") from e

    def _last_good(self) -> str:
        path = self.run.latest()
        if path is None:
            return "No checkpoint was written yet. Lower train.optimizer.lr or set train.clip_norm, and start again"
        return f"The last good checkpoint is {path}. Lower train.optimizer.lr or set train.clip_norm, and train again"
