#!/usr/bin/env python3
"""Writes textures/: pictures of stripes, checks, rings and dots in many tints, sizes and turns, as an image folder.

Needs Pillow and NumPy.
"""

from pathlib import Path

import numpy as np
from PIL import Image

TRAINING, TEST = 18, 7
KINDS = ["checks", "dots", "rings", "stripes"]


def pattern(kind, random, y, x):
    """Numbers in 0..1 at places."""
    turn, period = random.uniform(0, np.pi), random.uniform(20, 34)
    a = (np.cos(turn) * x + np.sin(turn) * y) / period
    b = (np.cos(turn) * y - np.sin(turn) * x) / period
    if kind == "stripes":
        return (np.sin(2 * np.pi * a) > random.uniform(-0.3, 0.3)) * 1.0
    if kind == "checks":
        return ((np.floor(a) + np.floor(b)) % 2 == 0) * 1.0
    if kind == "dots":
        return ((a % 1 - 0.5) ** 2 + (b % 1 - 0.5) ** 2 < random.uniform(0.05, 0.1)) * 1.0
    cy, cx = random.uniform(0.3, 0.7, 2) * (y.max(), x.max())
    return (np.sin(2 * np.pi * np.hypot(y - cy, x - cx) / period) > 0) * 1.0


def picture(kind, random):
    height, width = random.integers(150, 250, 2)
    y, x = np.mgrid[:height, :width]
    inside = pattern(kind, random, y, x)[..., None]
    # Dark on bright or bright on dark, in tints: the pattern tells the kind, not the colour.
    one, other = random.permutation([random.uniform(20, 80), random.uniform(170, 235)])[:, None] + random.uniform(-20, 20, (2, 3))
    light = 1 + random.uniform(-0.25, 0.25) * (x / width - 0.5) + random.uniform(-0.25, 0.25) * (y / height - 0.5)
    colours = (inside * one + (1 - inside) * other) * light[..., None]
    return Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))


def main():
    random = np.random.default_rng(7)
    for kind in KINDS:
        for number in range(TRAINING + TEST):
            folder = Path(__file__).parent / "textures" / ("train" if number < TRAINING else "test") / kind
            folder.mkdir(parents=True, exist_ok=True)
            made = picture(kind, random)
            # Every sixth is a PNG of few colours.
            if number % 6 == 0:
                made.quantize(16).convert("RGB").quantize(16).save(folder / f"{number:02}.png", optimize=True)
            else:
                made.save(folder / f"{number:02}.jpg", quality=28, optimize=True)


if __name__ == "__main__":
    main()
