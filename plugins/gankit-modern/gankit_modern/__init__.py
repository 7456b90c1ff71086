"""Modern parts of unpaired translation. gankit imports this module to list its parts: it imports no torch."""

from gankit import hookimpl

gankit_api = 1


@hookimpl
def gankit_components(add) -> None:
    add("loss", "focal_frequency", "gankit_modern.frequency:FocalFrequency", "spectra, the worst frequencies first")
    add("loss", "ms_ssim", "gankit_modern.similarity:MultiScaleSSIM", "1 - MS-SSIM: structure in several sizes")
    add("loss", "r2", "gankit_modern.penalties:R2", "zero-centred gradient penalty on fakes")
    add("loss", "mixed_penalty", "gankit_modern.penalties:MixedPenalty", "gradient penalty on mixtures (UVCGAN v2)")
    add("loss", "consistency", "gankit_modern.consistency:Consistency", "critics judge a moved picture alike (CR, bCR)")
    add("augment", "flip_shift", "gankit_modern.consistency:FlipShift", "pictures mirrored and moved by a few pixels")
