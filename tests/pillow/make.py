#!/usr/bin/env python3
"""Makes the photos of this folder and what Pillow sees of them: pip install pillow numpy; python tests/pillow/make.py

Every NAME.jpg is a made-up photo in one of the ways that JPEG files come; NAME-SIDE-PERCENT.png is the centre square of
PERCENT of its shorter side, resized to SIDE pixels: half-pixel centres, and an antialiasing filter where it shrinks.
"""

from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent


def photo(height, width, seed):
    """Smooth colours with edges and some noise: what chroma subsampling and rounding show on."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 16.0
    waves = [np.sin(x * (1 + c) + y * (2 - c / 2) + c) * 90 + 128 for c in range(3)]
    image = np.stack(waves, axis=-1)
    image[height // 3 : height // 2, width // 4 : width // 2] = [250, 20, 30]
    image += random.normal(0, 8, image.shape)
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def main():
    forms = {
        "halved": dict(subsampling="4:2:0", quality=85),
        "halved-across": dict(subsampling="4:2:2", quality=70),
        "full": dict(subsampling="4:4:4", quality=95),
        "progressive": dict(subsampling="4:2:0", quality=80, progressive=True),
        "gray": dict(quality=90),
    }
    for seed, (name, options) in enumerate(forms.items()):
        image = photo(61, 47, seed)
        if name == "gray":
            image = image.convert("L")
        image.save(FOLDER / f"{name}.jpg", **options)
        with Image.open(FOLDER / f"{name}.jpg") as opened:
            read = opened.convert("RGB")
        for side, percent in [(24, 100), (32, 87.5), (64, 100)]:
            length = min(read.size) * percent / 100
            left, top = (read.size[0] - length) / 2, (read.size[1] - length) / 2
            box = (left, top, left + length, top + length)
            seen = read.resize((side, side), Image.Resampling.BILINEAR, box=box)
            seen.save(FOLDER / f"{name}-{side}-{percent:g}.png", optimize=True)


if __name__ == "__main__":
    main()
