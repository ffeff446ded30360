#!/usr/bin/env python3
"""Writes shapes/: pictures of a disk and a square on a noisy ground, with maps of what each pixel shows.

Needs Pillow and NumPy.
"""

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 32


def scene(random):
    """A picture and its map: 0 ground, 1 disk, 2 square."""
    y, x = np.mgrid[:SIZE, :SIZE]
    picture = random.integers(60, 120, (SIZE, SIZE, 3)) // 16 * 16
    label = np.zeros((SIZE, SIZE), np.uint8)
    for kind in random.permutation([1, 2]):
        (cy, cx), radius = random.integers(6, SIZE - 6, 2), random.integers(4, 8)
        inside = (y - cy) ** 2 + (x - cx) ** 2 <= radius**2 if kind == 1 else np.maximum(abs(y - cy), abs(x - cx)) <= radius
        picture[inside] = random.integers(130, 250, 3) // 8 * 8
        label[inside] = kind
    return picture.astype(np.uint8), label


def main():
    random = np.random.default_rng(1)
    folder = Path(__file__).parent / "shapes"
    for number in range(100):
        part = "train" if number < 80 else "test"
        picture, label = scene(random)
        for kind, array in (("images", picture), ("masks", label)):
            (folder / part / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(folder / part / kind / f"{number:03}.png", optimize=True)


if __name__ == "__main__":
    main()
