"""What listens to a training."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gankit.callbacks.base import Callback as Callback
    from gankit.callbacks.base import Event as Event
    from gankit.callbacks.base import Keep as Keep
    from gankit.callbacks.base import Stop as Stop
    from gankit.callbacks.tensorboard import TensorBoard as TensorBoard
    from gankit.callbacks.to_mlflow import MLflow as MLflow
    from gankit.callbacks.to_trackio import Trackio as Trackio
    from gankit.callbacks.to_wandb import WandB as WandB
    from gankit.callbacks.watching import Best as Best
    from gankit.callbacks.watching import EarlyStop as EarlyStop
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(
        __name__,
        Callback="gankit.callbacks.base",
        Event="gankit.callbacks.base",
        Keep="gankit.callbacks.base",
        Stop="gankit.callbacks.base",
    )
