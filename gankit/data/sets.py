"""The public data sets that gankit can fetch: what they are, where they are, what is known of their terms."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from gankit.core.download import SCHEMES
from gankit.core.errors import DataError
from gankit.core.words import suggest

HOSTS = (
    "http://efrosgans.eecs.berkeley.edu/cyclegan/datasets",
    "https://people.eecs.berkeley.edu/~taesung_park/CycleGAN/datasets",
)
"""Tried in this order; the same files. Without encryption a file is as safe: its SHA-256 is checked."""
MIRROR = "GANKIT_DATASETS"
"""The environment variable that names another place: an address, or a folder as file:///..., with NAME.zip in it."""


@dataclass(frozen=True)
class PublicSet:
    """An archive with the folders trainA, trainB, testA and testB.

    size, sha256: of the archive. a, b: what the domains show. terms: what is known of its licence.
    """

    name: str
    size: int
    sha256: str
    a: str
    b: str
    terms: str

    @property
    def file(self) -> str:
        return f"{self.name}.zip"

    @property
    def megabytes(self) -> str:
        return f"{self.size / 1e6:.0f} MB"


_IMAGENET = (
    "Photographs of ImageNet, which lets researchers and teachers use them for purposes that are not commercial; "
    "each belongs to its photographer"
)
_FLICKR = "Photographs of Flickr, each under the licence that its photographer has chosen; the set does not tell which"
_PAINTINGS = (
    "Paintings from WikiArt, of painters who died long ago, in photographs of others. Landscapes of Flickr, each under "
    "the licence that its photographer has chosen; the set does not tell which"
)
_MAPS = "Pictures of Google Maps, whose terms of service hold for them"
_FACADES = "The CMP facade database (Tylecek and Sara 2013): cite it, and see its page for its terms"

# Origin of the pictures: the authors' list in docs/datasets.md of pytorch-CycleGAN-and-pix2pix. Sizes and SHA-256: as
# TensorFlow Datasets publishes them for its set cycle_gan. Cityscapes is not here: its licence forbids passing it on.
SETS: dict[str, PublicSet] = {
    known.name: known
    for known in (
        PublicSet(
            "apple2orange",
            78_456_409,
            "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8",
            "apples",
            "oranges",
            _IMAGENET,
        ),
        PublicSet(
            "cezanne2photo",
            279_885_071,
            "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff",
            "paintings by Cezanne",
            "landscape photographs",
            _PAINTINGS,
        ),
        PublicSet(
            "facades",
            35_135_868,
            "9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0",
            "fronts of houses",
            "their label maps",
            _FACADES,
        ),
        PublicSet(
            "horse2zebra",
            116_867_962,
            "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1",
            "horses",
            "zebras",
            _IMAGENET,
        ),
        PublicSet(
            "iphone2dslr_flower",
            339_964_458,
            "8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113",
            "flowers, by telephones",
            "by cameras",
            _FLICKR,
        ),
        PublicSet(
            "maps",
            1_476_754_427,
            "639534f69dbf9f36bef8d6292a7698006361221f83f0285d7c9ca78afe6e8a9e",
            "aerial photographs",
            "their maps",
            _MAPS,
        ),
        PublicSet(
            "monet2photo",
            305_231_073,
            "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04",
            "paintings by Monet",
            "landscape photographs",
            _PAINTINGS,
        ),
        PublicSet(
            "summer2winter_yosemite",
            132_640_856,
            "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9",
            "Yosemite in summer",
            "Yosemite in winter",
            _FLICKR,
        ),
        PublicSet(
            "ukiyoe2photo",
            292_946_532,
            "02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08",
            "woodblock prints",
            "landscape photographs",
            _PAINTINGS,
        ),
        PublicSet(
            "vangogh2photo",
            306_590_349,
            "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff",
            "paintings by Van Gogh",
            "landscape photographs",
            _PAINTINGS,
        ),
    )
}


def named(name: str) -> PublicSet:
    """Raises DataError: what there is."""
    if name in SETS:
        return SETS[name]
    near = suggest(name, SETS)
    hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(SETS)}"
    raise DataError(f"no data set is called {name!r}; {hint}")


def addresses(known: PublicSet, mirror: str | None = None) -> Sequence[str]:
    """Where its archive is: at the mirror, given or named by GANKIT_DATASETS, or at the hosts. Raises DataError."""
    chosen = mirror or os.environ.get(MIRROR)
    if chosen and not chosen.startswith(SCHEMES):
        raise DataError(f"{chosen!r} is no place to fetch from: it begins with {', '.join(SCHEMES)}")
    return [f"{host.rstrip('/')}/{known.file}" for host in ([chosen] if chosen else HOSTS)]
