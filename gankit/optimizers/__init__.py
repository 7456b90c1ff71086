"""Optimizers, and schedules of their learning rate.

An optimizer is any `torch.optim.Optimizer` with a typed `__init__` whose first parameter is `params`; the rest is what
a recipe says. A schedule is called with a `gankit.slots.Position` and returns a factor on the learning rate. What both
may declare besides stands in `gankit.contracts`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gankit.optimizers.decay import Constant as Constant
    from gankit.optimizers.decay import Cosine as Cosine
    from gankit.optimizers.decay import Linear as Linear
    from gankit.optimizers.decay import Steps as Steps
    from gankit.optimizers.gradient import SGD as SGD
    from gankit.optimizers.gradient import Adam as Adam
    from gankit.optimizers.gradient import AdamW as AdamW
    from gankit.optimizers.gradient import RMSprop as RMSprop
    from gankit.optimizers.lbfgs import LBFGS as LBFGS
    from gankit.optimizers.plateau import Plateau as Plateau
    from gankit.optimizers.schedule_free import ScheduleFreeAdamW as ScheduleFreeAdamW
    from gankit.optimizers.tf_adam import TFAdam as TFAdam
    from gankit.optimizers.warmup import Warmup as Warmup
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(__name__)
