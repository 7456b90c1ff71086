"""What a callback is."""

from __future__ import annotations

from gankit.contracts.declared import Contract, Declared, Interface

EXAMPLE = '''
import gankit
from gankit.callbacks import Callback, Event


@gankit.register("callback", "longest")
class Longest(Callback):
    """Writes the largest term of each line into the run. gankit's own example."""

    def __init__(self, file: str = "longest.txt") -> None:
        self.file = file

    def log(self, event: Event) -> None:
        name, value = max(event.losses.items(), key=lambda item: item[1])
        with open(event.run / self.file, "a") as file:
            file.write(f"{event.step} {name} {value:.3f}\\n")
'''


class CallbackContract(Contract):
    """Listens to a training; it derives from `gankit.callbacks.Callback`, whose page is docs/callbacks.md.

    It is told plain data. Its `state_dict` is saved in checkpoints and resumed bit for bit. It cannot change a training
    unless it says so.
    """

    kind = "callback"
    interface = Interface(
        made_with="nothing but its own arguments",
        forward="`begin`, `step`, `log`, `checkpoint`, `sample`, `measured`, `evaluated`, `end`: what it wants to hear",
        result="nothing; a `Stop` that ends the training; a `Keep` that keeps a checkpoint",
        example=EXAMPLE,
    )

    may_stop = Declared(False, "whether a `Stop` that it returns ends the training")
    may_keep = Declared(False, "whether a `Keep` that it returns keeps the checkpoint of that step under a name")
    watches: Declared[str | None] = Declared(None, "the metric that `train.measure` must measure for it")
    direction: Declared[str | None] = Declared(None, "the direction of the figure that it watches; None: all of them")
    changes_training = Declared(False, "whether its events bring the `method`, whose networks it may change")
