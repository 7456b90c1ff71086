"""What generators and discriminators have in common."""

from __future__ import annotations

from gankit.contracts.declared import Declared, Function, Size
from gankit.contracts.module import ModuleContract


class NetworkContract(ModuleContract):
    """A network that is called with pictures."""

    kind = "network"
    in_channels: Declared[Size | None] = Declared(
        None, "channels of the pictures that it takes; needed where other functions of it than the forward are called"
    )
    min_size: Declared[Size] = Declared(1, "the smallest side of a picture that it takes, in pixels")
    fixed_size: Declared[Size | None] = Declared(None, "the one side of a picture that it takes or makes, in pixels")
    features: Declared[Function | None] = Declared(None, "gives what its layers see in a picture; see the text above")
