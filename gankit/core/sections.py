"""The sections of a recipe beside its parts: what stands under `about`, `losses`, `train` and `evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import Field, Strict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from gankit.core.catalogue import catalogue
from gankit.core.errors import Path
from gankit.core.schema import MOST, Number, Slot, Spec, Strictly, spec_of

Line = Annotated[str, Strict(), MinLen(1)]
Count = Annotated[int, Strict(), Ge(1), MOST[int]]
Whole = Annotated[int, Strict(), Ge(0), MOST[int]]
Positive = Annotated[Number, Gt(0)]
Decay = Annotated[Number, Ge(0), Lt(1)]


class LossTerm(Spec):
    """A loss and its envelope: what the recipe says of it that is not the loss's own business.

    weight: factor, or one for each direction. on: argument of the loss -> tensor of the method. from_step: the step
    from which it counts. every: it counts at each such step only, with so many times its weight. turn: whose update it
    belongs to, where the loss does not say.
    """

    weight: Annotated[
        Number | dict[Literal["a2b", "b2a"], Number], Field(description="a factor on the loss, or one by direction")
    ] = 1.0
    on: Annotated[dict[Line, Line], Field(description="what it asks for -> another tensor of the method")] = {}
    from_step: Annotated[Whole, Field(description="before this step it is not computed")] = 0
    every: Annotated[
        Count, Field(description="it is computed at each such step only, and its weight is multiplied by this")
    ] = 1
    turn: Annotated[Line | None, Field(description="whose loss it is, where that does not follow from the loss")] = None

    @property
    def spec(self) -> Spec:
        """The loss itself: what `build_component` takes."""
        return self


class TermSlot(Slot):
    """A loss with its envelope."""

    @property
    def definition(self) -> str:
        return "term"

    def model(self, name: str) -> type[Spec]:
        return spec_of(catalogue().find("loss", name), LossTerm)

    def _mapping(self, value: object) -> Mapping[str, Any]:
        if value is None:  # an option that says so drops it; in a file it may be a line that was never finished
            raise PydanticCustomError(
                "shape", "must be the name of a loss, or a mapping with `type`; leave out a loss that is not wanted"
            )
        return super()._mapping(value)


class About(Strictly, title="about"):
    """What a recipe reproduces."""

    title: Annotated[Line | None, Field(description="of the paper")] = None
    authors: Annotated[Line | None, Field(description="of the paper")] = None
    year: Annotated[Count | None, Field(description="of the paper")] = None
    arxiv: Annotated[Line | None, Field(description="the number of the paper there, in quotes: '1703.10593'")] = None
    url: Annotated[Line | None, Field(description="where more is told")] = None
    notes: Annotated[Line | None, Field(description="what else is worth knowing")] = None


class Measure(Strictly, title="measure"):
    """What is measured while training, on pictures that are not trained on."""

    every: Annotated[Count, Field(description="steps between measurements")] = 500
    metrics: Annotated[
        tuple[Annotated[Any, Slot("metric")], ...],
        Field(
            description="which metrics; none named: all whose tensors are available, but for those with own networks"
        ),
    ] = ()
    samples: Annotated[Count | None, Field(description="measure only the first N pictures of the split; null: all")] = (
        64
    )
    split: Annotated[
        Literal["val", "test"], Field(description="the split of the data; better leave `test` for the end")
    ] = "val"


class Train(Strictly, title="train"):
    """How long, how fast, on what."""

    epochs: Annotated[Count | None, Field(description="how often training passes over the data; or give `steps`")] = (
        None
    )
    steps: Annotated[Count | None, Field(description="how often the generator is updated; or give `epochs`")] = None
    steps_per_epoch: Annotated[
        Count | None, Field(description="the length of an epoch in steps, instead of that of the data")
    ] = None
    first_epoch: Annotated[
        Whole, Field(description="begin as if this many epochs had passed: schedule, phases and length count them")
    ] = 0
    batch_size: Annotated[int, Strict(), Ge(1), Le(1_000_000), Field(description="items of a step")] = 1
    shuffle: Annotated[bool, Field(description="false: every epoch takes the items in the order of the data set")] = (
        True
    )
    optimizer: Annotated[
        Any, Slot("optimizer"), Field(description="of every turn, with its learning rate", validate_default=True)
    ] = "adam"
    optimizers: Annotated[
        dict[Line, Annotated[Any, Slot("optimizer")]],
        Field(description="for each turn, the settings that differ from `optimizer`"),
    ] = {}
    schedule: Annotated[
        Any,
        Slot("schedule"),
        Field(validate_default=True, description="how the learning rates change: a factor on each of them"),
    ] = "linear"
    pool_size: Annotated[
        int, Strict(), Ge(0), Le(1_000_000), Field(description="how many past fakes are kept for the critic; 0: none")
    ] = 50
    ema: Annotated[Decay | None, Field(description="decay per step of the averaged generator")] = None
    precision: Annotated[
        Literal["fp32", "tf32", "bf16", "fp16"],
        Field(description="weights stay fp32; `tf32` needs a CUDA device; `bf16` and `fp16` use autocast"),
    ] = "fp32"
    deterministic: Annotated[
        bool, Field(description="on a GPU, algorithms that give the same bits in every run; slower")
    ] = False
    compile: Annotated[bool | None, Field(description="compile each turn; null: the default of the device")] = None
    cuda_graph: Annotated[
        bool | None, Field(description="record each turn on the GPU and replay it; null: the default of the device")
    ] = None
    channels_last: Annotated[
        bool | None, Field(description="store pictures as (N, H, W, C); null: the default of the device")
    ] = None
    join_calls: Annotated[
        bool | None,
        Field(
            description="call a network once on several pictures where that is exact; null: decided by device and batch"
        ),
    ] = None
    checkpoint_activations: Annotated[
        bool, Field(description="save memory by computing activations again in the backward pass")
    ] = False
    accumulate: Annotated[int, Strict(), Ge(1), Le(1_000_000), Field(description="batches per update")] = 1
    clip_norm: Annotated[Positive | None, Field(description="limit the norm of the gradient of each turn to this")] = (
        None
    )
    init_from: Annotated[Line | None, Field(description="start from the networks of this run, with new optimizers")] = (
        None
    )
    seed: Annotated[int, Strict(), Ge(0), Lt(2**32), Field(description="of all that is random")] = 0
    workers: Annotated[
        int,
        Strict(),
        Ge(0),
        Le(1000),
        Field(description="how many processes read pictures; 0: the training process does"),
    ] = 2
    place: Annotated[
        Literal["workers", "device"],
        Field(
            description="where pictures are cropped and flipped, with the same result; on a CPU always in the workers"
        ),
    ] = "workers"
    log_every: Annotated[Count, Field(description="steps between lines of the log")] = 50
    sample_every: Annotated[Count, Field(description="steps between sample grids")] = 500
    save_every: Annotated[Count, Field(description="steps between checkpoints")] = 500
    keep: Annotated[Count, Field(description="checkpoints kept")] = 2
    keep_every: Annotated[
        Count | None, Field(description="save a checkpoint at every N-th step and keep it for ever")
    ] = None
    measure: Annotated[Measure | None, Field(description="what to measure while training; null: nothing")] = None
    samples: Annotated[int, Strict(), Ge(1), Le(1000), Field(description="how many pictures a sample grid has")] = 4
    watch: Annotated[
        tuple[Literal["gradients", "rho"], ...],
        Field(
            description="what to log besides the losses and what the critics say: norms of gradients by network; `rho` "
            "of AdaLIN and LIN by layer"
        ),
    ] = ()
    device: Annotated[Literal["auto", "cpu", "cuda"], Field(description="auto: the GPU where there is one")] = "auto"
    augments: Annotated[
        tuple[Annotated[Any, Slot("augment")], ...],
        Field(description="the augments between pictures and critics, in their order"),
    ] = ()
    callbacks: Annotated[
        tuple[Annotated[Any, Slot("callback")], ...],
        Field(description="what listens to the training", validate_default=True),
    ] = ("tensorboard",)

    @classmethod
    def _rules(cls, data: Mapping[str, Any]) -> list[tuple[Path, str]]:
        lengths = [k for k in ("epochs", "steps") if data.get(k) is not None]
        faults: list[tuple[Path, str]] = []
        if not lengths:
            faults.append(((), "train needs `epochs` or `steps`"))
        if len(lengths) > 1:
            faults.append((("steps",), "give `epochs` or `steps`, not both"))
        epochs, first = data.get("epochs"), data.get("first_epoch", 0)
        if isinstance(epochs, int) and isinstance(first, int) and first >= epochs > 0:
            faults.append((("first_epoch",), f"nothing is left of {epochs} epochs after {first}"))
        return faults

    @field_validator("optimizers", mode="before")
    @classmethod
    def _same_type(cls, value: Any, info: ValidationInfo) -> Any:
        main = info.data.get("optimizer")
        if not isinstance(value, Mapping):
            return value
        plain = {k: v for k, v in value.items() if isinstance(v, Mapping) and "type" not in v}
        if main is None:  # it is refused; what these mean nobody can say
            return {k: v for k, v in value.items() if k not in plain}
        return {**value, **{k: {"type": main.type, **v} for k, v in plain.items()}}

    @field_validator("optimizers", mode="after")
    @classmethod
    def _rest_as_in_optimizer(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        main = info.data.get("optimizer")
        return {
            turn: main.model_copy(update={k: getattr(own, k) for k in own.model_fields_set})
            if isinstance(main, Spec) and type(main) is type(own)
            else own
            for turn, own in value.items()
        }

    def optimizer_of(self, *turn: str) -> Spec:
        """The optimizer of a turn, given by the names that it goes by: the first of them that has one of its own."""
        return next((self.optimizers[name] for name in turn if name in self.optimizers), self.optimizer)


class Evaluate(Strictly, title="evaluate"):
    """What `gankit evaluate` measures."""

    metrics: Annotated[
        tuple[Annotated[Any, Slot("metric")], ...],
        Field(
            description="which metrics; none named: all whose tensors are available, but for those with own networks"
        ),
    ] = ()
    samples: Annotated[Count | None, Field(description="measure only the first N test pictures; null: all")] = None
    reference: Annotated[
        Literal["target", "source", "mean"],
        Field(description="what KID, FID and similar metrics compare with; the AGIT papers print the mean of both"),
    ] = "target"
