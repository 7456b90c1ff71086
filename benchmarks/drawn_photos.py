"""Photos for the benchmarks of the data path: drawn, and as hard to decode as real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def draw_photos(folder: Path, width: int, height: int, count: int, quality: int = 92) -> Path:
    """`count` JPEG files of colour noise whose amplitudes fall with frequency, 1/f, as those of photos do."""
    folder.mkdir(parents=True, exist_ok=True)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    mix = np.array([[1, 0.3, 0.2], [1, -0.1, -0.2], [1, -0.3, 0.3]])  # mostly light and dark, some colour
    for i in range(count):
        rng = np.random.default_rng(i)
        noise = np.fft.rfft2(rng.normal(size=(3, height, width))) / frequency
        planes = np.fft.irfft2(noise, (height, width))
        planes /= planes.std(axis=(1, 2), keepdims=True)
        pixels = 128 + 32 * np.einsum("ck,khw->hwc", mix, planes)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i:03}.jpg", quality=quality)
    return folder
