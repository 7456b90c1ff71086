"""Networks of NVlabs/MUNIT (and of mingyuliutw/UNIT, whose MUNIT is the same).

Their runs hold `gen_XXXXXXXX.pt`, with the state dicts of both generators under `a` and `b`, and `dis_XXXXXXXX.pt`,
with those of the critics. The generator of a domain takes its pictures apart and makes them: `DIRECTIONS` says which
of our directions it makes the pictures of. What weights do not tell is as in their configurations: reflection, ReLU.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor

from gankit.interop.keys import Imported, State, plain, refuse

GENERATOR = "a generator of MUNIT"
CRITIC = "a discriminator of MUNIT"
DIRECTIONS: Mapping[str, str] = MappingProxyType({"a": "b2a", "b": "a2b"})
"""Key of gen_XXXXXXXX.pt and dis_XXXXXXXX.pt -> the direction whose `generator` and `discriminator` it holds."""

STALE = re.compile(r".*\.norm\.(running_mean|running_var|num_batches_tracked)")
"""Statistics that never had a use: an instance norm takes the picture's own (NVlabs/MUNIT issues 12 and 29)."""
STYLE = re.compile(r"enc_style\.model\.(\d+)(\.conv)?\.(weight|bias)")
CONTENT = re.compile(r"enc_content\.model\.(\d+)\.conv\.(weight|bias)")
CONTENT_BLOCK = re.compile(r"enc_content\.model\.\d+\.model\.(\d+)\.model\.([01])\.conv\.(weight|bias)")
BLOCK = re.compile(r"dec\.model\.0\.model\.(\d+)\.model\.([01])\.conv\.(weight|bias)")
UP = re.compile(r"dec\.model\.(\d+)\.(conv|norm)\.(weight|bias|gamma|beta)")
MLP = re.compile(r"mlp\.model\.(\d+)\.fc\.(weight|bias)")
LAYER = re.compile(r"cnns\.(\d+)\.(\d+)(\.conv)?\.(weight|bias)")


def generator(state: State) -> Imported:
    """The state dict of one of their generators -> (recipe fragment, state dict under our names).

    Raises:
        CheckpointError: these are not the weights of such a generator.
    """
    state = {key: value for key, value in plain(state).items() if not STALE.fullmatch(key)}
    if any(key.endswith(".activation.weight") for key in state):
        raise refuse(GENERATOR, "that gankit has: their activation is prelu, which its own is not")
    downs = max([int(m[1]) for key in state if (m := CONTENT.fullmatch(key))], default=0)
    ours: dict[str, Tensor] = {}
    for key, value in state.items():
        name = _renamed(key, downs)
        ours[name] = value.flatten(1) if name == "style_head.weight" else value
    if missing := {"content.0.conv.weight", "style_head.weight", "mlp.0.weight", "head.weight"} - ours.keys():
        raise refuse(GENERATOR, f"they lack {', '.join(sorted(missing))}")
    first = ours["mlp.0.weight"]
    layers = _count(ours, "mlp")
    fragment = {
        "type": "munit",
        "channels": ours["content.0.conv.weight"].shape[0],
        "downs": downs,
        "blocks": _count(ours, "blocks"),
        "style_channels": first.shape[1],
        "style_downs": _count(ours, "style") - 1,
        "mlp_channels": first.shape[0] if layers > 1 else 1,
        "mlp_layers": layers,
    }
    return fragment, ours


def discriminator(state: State) -> Imported:
    """The state dict of one of their critics -> (recipe fragment, state dict under our names).

    Raises:
        CheckpointError: these are not the weights of such a critic, without norms, as in all their configurations.
    """
    ours: dict[str, Tensor] = {}
    for key, value in plain(state).items():
        match = LAYER.fullmatch(key)
        if not match:
            raise refuse(CRITIC, f"they have the key '{key}'")
        place = f"convs.{match[2]}" if match[3] else "head"
        ours[f"critics.{match[1]}.{place}.{match[4]}"] = value
    if missing := {"critics.0.convs.0.weight", "critics.0.head.weight"} - ours.keys():
        raise refuse(CRITIC, f"they lack {', '.join(sorted(missing))}")
    critic = {
        "type": "strided",
        "channels": ours["critics.0.convs.0.weight"].shape[0],
        "layers": _count(ours, "critics.0.convs"),
        "norm": {"type": "none"},
    }
    return {"type": "multiscale", "scales": _count(ours, "critics"), "discriminator": critic}, ours


def _renamed(key: str, downs: int) -> str:
    if match := STYLE.fullmatch(key):
        return f"style.{match[1]}.conv.{match[3]}" if match[2] else f"style_head.{match[3]}"
    if match := CONTENT.fullmatch(key):
        return f"content.{match[1]}.conv.{match[2]}"
    if match := CONTENT_BLOCK.fullmatch(key):
        return f"content_blocks.{match[1]}.{_half(match[2])}.conv.{match[3]}"
    if match := BLOCK.fullmatch(key):
        return f"blocks.{match[1]}.{_half(match[2])}.conv.{match[3]}"
    if match := MLP.fullmatch(key):
        return f"mlp.{match[1]}.{match[2]}"
    if match := UP.fullmatch(key):  # blocks, then an enlargement and a convolution for each doubling, then the last one
        number = int(match[1])
        if number == 2 * downs + 1 and match[2] == "conv":
            return f"head.{match[3]}"
        if number % 2 == 0 and 2 <= number <= 2 * downs:
            place = "conv.1" if match[2] == "conv" else "norm"
            return f"up.{number // 2 - 1}.{place}.{match[3]}"
    raise refuse(GENERATOR, f"they have the key '{key}'")


def _half(number: str) -> str:
    return "first" if number == "0" else "second"


def _count(names: Mapping[str, Tensor], prefix: str) -> int:
    """How many modules are numbered below a name."""
    depth = prefix.count(".") + 1
    return len({name.split(".")[depth] for name in names if name.startswith(f"{prefix}.")})
