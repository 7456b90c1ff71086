"""What a metric is."""

from __future__ import annotations

from gankit.contracts.declared import Contract, Declared, Interface
from gankit.core.better import Better

EXAMPLE = '''
import gankit
from gankit.evaluation import Metric, levels


@gankit.register("metric", "brightness")
class Brightness(Metric):
    """How much brighter the output is than the source, in levels of 0..255; the mean over pictures."""

    unit, better = "levels", "lower"

    def statistics(self, output, source):
        return (levels(output) - levels(source)).flatten(1).mean(1).abs()[:, None]
'''


class MetricContract(Contract):
    """A figure of merit; it derives from `gankit.evaluation.metrics.Metric`, whose attributes are those below.

    It asks for tensors by the names of `statistics`' arguments, as a loss does. `summarise` makes one figure of many
    pictures, `protocol` says how the figure is obtained.
    """

    kind = "metric"
    interface = Interface(
        made_with="nothing but its own arguments",
        forward="`statistics(output, truth, ...)`: pictures (N, C, H, W) in [-1, 1], masks and maps (N, 1, H, W)",
        result="(N, K) float64: what is kept of each picture",
        example=EXAMPLE,
    )

    unit = Declared("", "of the figure: `dB`, `levels`")
    better: Declared[Better] = Declared("higher", "which figures are better; `one`: the nearer to 1")
    pooling = Declared("mean over pictures", "how one figure is made of many pictures, for its protocol")
    least = Declared(2, "the fewest pictures that it needs of each set, where it compares sets, as KID does")
    within = Declared(
        "",
        "the mask within which it judges, by its name; trivial answers are made there, where no objects are to change",
    )
    default = Declared(
        False, "measured wherever its tensors are there, not only where a recipe or a command names the metric"
    )
