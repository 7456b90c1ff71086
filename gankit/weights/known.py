"""The files of weights that gankit knows by their hash."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownFile:
    """A file by its usual name.

    network: whose weights they are. sha256: of the file, whole or as long as its publisher puts it into the name.
    size: bytes, where sure. url: where it can be fetched from, if anywhere. source: in words, for who has to find it.
    """

    network: str
    file: str
    sha256: str
    size: int | None = None
    url: str | None = None
    source: str = ""

    def matches(self, sha256: str) -> bool:
        return sha256.startswith(self.sha256)

    @property
    def origin(self) -> str:
        return self.url or self.source

    @property
    def about(self) -> str:
        megabytes = f"{self.size / 2**20:.0f} MB, " if self.size else ""
        return f"{self.file} ({megabytes}{self.origin})"


def _torchvision(network: str, file: str, size: int) -> KnownFile:
    prefix = file.rpartition("-")[2].partition(".")[0]
    return KnownFile(network, file, prefix, size, f"https://download.pytorch.org/models/{file}")


_DISTILLED = "converted from trained_models/wct_se_16x_new of github.com/MingSun-Tse/Collaborative-Distillation"

KNOWN: tuple[KnownFile, ...] = (
    _torchvision("vgg16", "vgg16-397923af.pth", 553_433_881),
    _torchvision("vgg19", "vgg19-dcbb9e9d.pth", 574_673_361),
    _torchvision("squeezenet", "squeezenet1_1-b8a52dc0.pth", 4_966_400),
    KnownFile(
        "squeezenet",
        "squeezenet1_1_torchvision_fp16.safetensors",
        "96a4b662bedd50905054b1e43e048305ea292e69541106a7dcd14a2c129d4e08",
        2_483_664,
        source="torchvision's weights in half precision",
    ),
    _torchvision("alexnet", "alexnet-owt-7be5be79.pth", 244_408_911),
    KnownFile(
        "distilled_vgg19",
        "e5.safetensors",
        "c73fed0af02eb0fc0c10755e70942011689542ab5ce2a91c6226cb46aaf894da",
        3_859_768,
        source=_DISTILLED,
    ),
    KnownFile(
        "inception",
        "pt_inception-2015-12-05-6726825d.pth",
        "6726825d",
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    ),
)
"""The first of a network is the one to ask for when there is none."""


def known_of(network: str) -> tuple[KnownFile, ...]:
    return tuple(known for known in KNOWN if known.network == network)
