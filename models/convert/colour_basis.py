#!/usr/bin/env python3
"""The linear map of the colour histograms: what light changes counts less, what tells cloth from cloth is kept.

usage: colour_basis.py OUT        (models/colour.basis is committed; this says where it comes from)

Nobody's picture is in it. Cloth of random colours is lit as cameras light it: shaded, exposed too much or too little, in light whose
colour was not quite taken out, with haze and noise. The differences between pictures of one cloth are noise, those between cloths are
not (linear discriminant analysis). Written as little-endian float32, VALUES rows of one histogram's bins. The last bits depend on the
numerical library, so the file is kept and not made again.
"""

import sys

import numpy as np

BINS = (5, 8, 8)  # lightness, a, b: as in crates/vision/src/appearance/bands.rs
REACH = 60.0
VALUES = 48
CLOTHS, PICTURES, PIXELS = 800, 8, 240
TINT, EXPOSURE = 0.12, 0.45  # standard deviations of the light's colour that is left, and of its strength, in natural logarithms
RIDGE = 0.2  # of the scatter within, as a share of its mean variance

TO_RGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
TO_XYZ = np.array([[0.41245, 0.35758, 0.18042], [0.21267, 0.71516, 0.07217], [0.01933, 0.11919, 0.95023]])
WHITE = np.array([0.95047, 1.0, 1.08883])


def cloth(random):
    """Linear RGB. Nearly half of all cloth is nearly grey; dark and pale cloth is never vivid."""
    lightness, hue = random.uniform(4, 95), random.uniform(0, 2 * np.pi)
    if random.random() < 0.45:
        chroma = abs(random.normal(0, 6))
    else:
        chroma = random.uniform(5, 70) * min(1, lightness / 45 + 0.15) * min(1, (110 - lightness) / 50)
    y = (lightness + 16) / 116
    t = np.array([y + chroma * np.cos(hue) / 500, y, y - chroma * np.sin(hue) / 200])
    return np.clip(TO_RGB @ (np.where(t > 0.2069, t**3, (t - 16 / 116) / 7.787) * WHITE), 0.003, 1)


def picture(random, colour):
    """Pixels of it as one camera has them, in Lab."""
    shade = np.exp(random.normal(0, 0.09) + random.normal(0, random.uniform(0.1, 0.45), PIXELS))[:, None]
    light = np.exp(random.normal(0, TINT, 3)) * np.exp(random.normal(0, EXPOSURE))
    linear = colour * shade * light + random.uniform(0, 0.012)
    coded = np.where(linear <= 0.0031, 12.92 * linear, 1.055 * np.clip(linear, 1e-6, None) ** (1 / 2.4) - 0.055)
    coded = np.clip(coded + random.normal(0, 0.02, (PIXELS, 3)), 0, 1)
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    t = linear @ TO_XYZ.T / WHITE
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], -1)


def histogram(lab):
    """Square roots of the shares of the bins; a pixel is shared between neighbours."""
    places = [lab[:, 0] / 100, (lab[:, 1] / REACH + 1) / 2, (lab[:, 2] / REACH + 1) / 2]
    at = [np.clip(p * (n - 1), 0, n - 1 - 1e-4) for p, n in zip(places, BINS)]
    low = [a.astype(int) for a in at]
    bins = np.zeros(BINS)
    for corner in np.ndindex(2, 2, 2):
        share = np.prod([a - l if c else 1 - a + l for a, l, c in zip(at, low, corner)], 0)
        np.add.at(bins, tuple(l + c for l, c in zip(low, corner)), share)
    return np.sqrt(bins.reshape(-1) / bins.sum())


def basis(random):
    seen = np.array([[histogram(picture(random, colour)) for _ in range(PICTURES)] for colour in (cloth(random) for _ in range(CLOTHS))])
    off = seen - seen.mean(1, keepdims=True)
    scatter = lambda all: np.einsum("cni,cnj->ij", all, all) / len(all) / PICTURES
    within, total = scatter(off), scatter(seen)
    n = len(within)
    values, vectors = np.linalg.eigh(within + RIDGE * np.trace(within) / n * np.eye(n))
    white = (vectors / np.sqrt(values)) @ vectors.T
    return (white @ np.linalg.eigh(white @ total @ white)[1][:, ::-1][:, :VALUES]).T


if __name__ == "__main__":
    with open(sys.argv[1], "wb") as file:
        file.write(basis(np.random.default_rng(6)).astype("<f4").tobytes())
