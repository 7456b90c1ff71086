"""Curves and grids for TensorBoard."""

from __future__ import annotations

from typing import Any

from gankit.callbacks.base import Callback, Event


class TensorBoard(Callback):
    """TensorBoard: losses, learning rates, speed, figures and sample grids, in the folder `tensorboard` of the run.

    `tensorboard --logdir runs` shows them. A resumed training goes on in the same curves: what was written after its
    checkpoint is dropped there.
    """

    def __init__(self) -> None:
        self._board: Any = None

    def begin(self, event: Event) -> None:
        from torch.utils.tensorboard import SummaryWriter  # late: it takes a second

        purge = event.step + 1 if event.step else None
        self._board = SummaryWriter(str(event.run / "tensorboard"), purge_step=purge)

    def log(self, event: Event) -> None:
        for name, value in event.scalars.items():
            self._board.add_scalar(name, value, event.step)

    measured = evaluated = log

    def sample(self, event: Event) -> None:
        import numpy as np

        self._board.add_image("samples", np.asarray(event.picture), event.step, dataformats="HWC")

    def end(self, event: Event) -> None:
        self._board.close()
