"""What `sightline eval retrieval` is held against: grey-world Lab histograms of four horizontal stripes, and no more.

usage: lab_stripes.py boxes.csv    (image or video,frame; x,y,w,h,identity,camera)

The head fifth of each box is left out, as it is erased in what Sightline looks at. Prints what `--json` prints.
"""

import csv
import json
import sys
from pathlib import Path

import cv2
import numpy as np

STRIPES, HEAD = 4, 0.2


def pictures(path):
    """Each row's identity, camera, and its box cut out of its picture."""
    videos = {}
    with open(path, newline="") as table:
        rows = list(csv.DictReader(table))
    for row in rows:
        if row.get("video"):
            videos.setdefault(row["video"], set()).add(int(row["frame"]))
    frames = {}
    for video, wanted in videos.items():
        reader = cv2.VideoCapture(str(Path(path).parent / video))
        for number in range(1, max(wanted) + 1):
            _, frame = reader.read()
            if number in wanted and frame is not None:
                frames[video, number] = frame
    for row in rows:
        image = row.get("image")
        picture = cv2.imread(str(Path(path).parent / image)) if image else frames.get((row["video"], int(row["frame"])))
        x, y, w, h = (float(row[k]) for k in "xywh")
        if picture is not None:
            cut = picture[max(0, int(y)) : int(np.ceil(y + h)), max(0, int(x)) : int(np.ceil(x + w))]
            yield row["identity"], row["camera"], cut


def histograms(picture):
    """Square roots of the shares of 6x8x8 Lab bins, stripe by stripe, in grey-world light."""
    rgb = picture[int(HEAD * len(picture)) :, :, ::-1].astype(np.float64) / 255
    light = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    mean = light.reshape(-1, 3).mean(0)
    light = np.clip(light * mean.mean() / np.maximum(mean, 1e-9), 0, 1)
    lab = cv2.cvtColor(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32),
                       cv2.COLOR_RGB2LAB)
    parts = []
    for stripe in np.array_split(lab, STRIPES):
        bins, _ = np.histogramdd(stripe.reshape(-1, 3), (6, 8, 8), ((0, 100), (-60, 60), (-60, 60)))
        parts.append(np.sqrt(bins.ravel() / max(bins.sum(), 1)))
    return np.concatenate(parts)


def main():
    identities, cameras, cuts = zip(*pictures(sys.argv[1]))
    identities, cameras = np.array(identities), np.array(cameras)
    features = np.array([histograms(cut) for cut in cuts])
    scores = features @ features.T
    first, five, precision = [], [], []
    for i in range(len(cuts)):
        others = np.flatnonzero(cameras != cameras[i])
        right = identities[others] == identities[i]
        if right.any():
            ranks = np.flatnonzero(right[np.lexsort((right, -scores[i, others]))])
            first.append(ranks[0] == 0)
            five.append(ranks[0] < 5)
            precision.append(np.mean(np.arange(1, len(ranks) + 1) / (ranks + 1)))
    print(json.dumps({"queries": len(first), "rank1": np.mean(first), "rank5": np.mean(five), "map": np.mean(precision)}))


if __name__ == "__main__":
    main()
