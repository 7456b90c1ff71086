"""The loop, turns, image pools, averages, checkpoints, run directories."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gankit.training.devices import Devices as Devices
    from gankit.training.speed import Speed as Speed
    from gankit.training.speed import defaults as defaults
    from gankit.training.step import Stepper as Stepper
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(
        __name__,
        Devices="gankit.training.devices",
        Speed="gankit.training.speed",
        Stepper="gankit.training.step",
        defaults="gankit.training.speed",
    )
