"""What a case says about the reference's run, and which of it a checker took into account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Unsupported(Exception):
    """The case asks for something that the checker does not understand."""


GROUPS = {"args", "constructor", "opt", "hyper", "hyperparameters", "params", "gen", "dis", "labels"}
"""The parts of the metadata that hold options of the reference's code."""
PROSE = {
    "backward_error_with_this_torch", "batchnorm_warmup_train_forwards", "cls", "commit", "cpu", "device", "doc",
    "dtype", "file", "init", "layers", "measured_drift", "note", "num_adain_params", "num_params",
    "params_without_grad", "peer", "peer_license", "pillow", "python", "repo", "seed", "sign_note", "steps",
    "tensorflow", "tensors", "threads", "torch", "torchvision", "vgg", "vgg_slices", "weights", "what", "width_patch",
}  # fmt: skip
"""What describes a run and changes nothing in it."""
TOLD = {
    # by the shapes and names of weights and inputs
    "D", "bnChannels", "bn", "ch", "channels", "convBias", "dim", "disG_layers", "disL_layers", "hw", "img",
    "img_size", "in_channels", "input_channels", "input_dim_a", "input_dim_b", "input_nc", "layer_size", "light",
    "mlp_dim", "multi_channel", "n_blocks", "n_downsample", "n_layer", "n_layers", "n_layers_D", "n_res", "nc", "ndf",
    "netD", "netG", "ngf", "no_antialias", "no_antialias_up", "norm", "normD", "normG", "num_downs", "num_features",
    "num_patches", "num_scales", "nz", "output_nc", "shape_NHWC", "style_dim",
    # what is over when the stored run begins, or begins after it, or concerns its files
    "CUT_mode", "batch", "batch_size", "decay", "display_size", "gamma", "gpu_ids", "init_gain", "init_type",
    "isTrain", "lr_policy", "pool_size", "preprocess", "step_size",
}  # fmt: skip
"""Options that a checker need not read."""


class Options(dict[str, Any]):
    """The metadata, which remembers what was looked at."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__({k: Options(v) if isinstance(v, dict) else v for k, v in values.items()})
        self._looked: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self._looked.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._looked.add(key)
        return super().get(key, default)

    def unread(self, place: str = "info") -> list[str]:
        """The options with their places, and what is beside them, that were neither looked at nor known to be inert."""
        return list(self._unread(place))

    def _unread(self, place: str) -> Iterator[str]:
        for key, value in self.items():
            if key in GROUPS and isinstance(value, Options):
                yield from value._unread(f"{place}.{key}")
            elif key not in self._looked | PROSE | TOLD:
                yield f"{place}.{key} = {value!r}"
