#!/usr/bin/env python3
"""The peer: the same job as `sightline eval speed`, written the straightforward way in Python.

OpenCV decodes, ONNX Runtime runs the same models with one thread, `supervision`'s ByteTrack associates, the same sampling
rate. Every sampled frame is detected; when a track ends its three best crops are erased, embedded and their clothing
colours named. Prints one JSON object:
{"frames", "footage_s", "wall_s", "cpu_s", "sightings", "peak_mib"}.

usage: taskset -c 0 python3 benches/peer/pipeline.py MODELS_DIR VIDEO... [--fps 5]
"""
import argparse
import json
import os
import resource
import time
from pathlib import Path

import cv2
import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read as the library is loaded
import onnxruntime as ort
import supervision as sv

WANTED = [0, 1, 2, 3, 5, 7, 24, 25, 26, 28]  # COCO-80: person, vehicles, carried things
MEAN, STD = np.float32([103.53, 116.28, 123.675]), np.float32([57.375, 57.12, 58.395])


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def letterbox(image, height, width, pad):
    ratio = min(height / image.shape[0], width / image.shape[1])
    resized = cv2.resize(image, (int(image.shape[1] * ratio), int(image.shape[0] * ratio)))
    out = np.full((height, width, 3), pad, np.uint8)
    out[: resized.shape[0], : resized.shape[1]] = resized
    return out, ratio


def nms(boxes, scores, threshold):
    rects = [(*b[:2], *(b[2:] - b[:2])) for b in boxes]
    keep = cv2.dnn.NMSBoxes(rects, scores.tolist(), 0.0, threshold) if rects else []
    return np.array(keep, int).reshape(-1)


class NanoDet:
    """NanoDet-G: generalised focal loss heads at strides 8, 16, 32."""

    def __init__(self, path, threshold=0.33, budget=(288, 512)):
        self.session, self.threshold, self.budget = session(path), threshold, budget

    def size_for(self, image):
        h, w = self.budget
        return (h, w) if image.shape[1] >= image.shape[0] else (w, h)

    def __call__(self, image):
        height, width = self.size_for(image)
        boxed, ratio = letterbox(image, height, width, 0)
        tensor = ((boxed.astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)[None]
        outputs = self.session.run(None, {"image": np.ascontiguousarray(tensor)})
        boxes, scores, classes = [], [], []
        for level, stride in enumerate((8, 16, 32)):
            score = outputs[level][0][:, WANTED]
            best, label = score.max(1), score.argmax(1)
            hit = np.flatnonzero(best > self.threshold)
            bins = outputs[level + 3][0][hit].reshape(-1, 4, 11)
            bins = np.exp(bins - bins.max(2, keepdims=True))
            d = (bins / bins.sum(2, keepdims=True)) @ np.arange(11, dtype=np.float32) * stride
            columns = width // stride
            cx, cy = hit % columns * stride + 0.5 * (stride - 1), hit // columns * stride + 0.5 * (stride - 1)
            boxes.append(np.stack([cx - d[:, 0], cy - d[:, 1], cx + d[:, 2], cy + d[:, 3]], 1) / ratio)
            scores.append(best[hit])
            classes.append(label[hit])
        boxes, scores, classes = map(np.concatenate, (boxes, scores, classes))
        keep = [i for c in np.unique(classes) for i in np.flatnonzero(classes == c)[nms(boxes[classes == c], scores[classes == c], 0.5)]]
        return sv.Detections(xyxy=boxes[keep].reshape(-1, 4).astype(np.float32), confidence=scores[keep], class_id=classes[keep])


class CenterFace:
    def __init__(self, path, threshold=0.2):
        self.session, self.threshold = session(path), threshold

    def erase(self, crop):
        top = crop[: max(1, int(max(0.5 * crop.shape[0], min(1.2 * crop.shape[1], crop.shape[0]))))]
        boxed, ratio = letterbox(top, 128, 128, 110)
        heat, scale, offset = self.session.run(None, {"image": np.ascontiguousarray(boxed[:, :, ::-1].transpose(2, 0, 1)[None], np.float32)})[:3]
        for y, x in zip(*np.where(heat[0, 0] > self.threshold)):
            h, w = np.exp(scale[0, :, y, x]) * 4
            cy, cx = (y + offset[0, 0, y, x] + 0.5) * 4, (x + offset[0, 1, y, x] + 0.5) * 4
            x0, y0, x1, y1 = (np.array([cx - 0.65 * w, cy - 0.65 * h, cx + 0.65 * w, cy + 0.65 * h]) / ratio).astype(int)
            crop[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = 127
        crop[: int(0.18 * crop.shape[0])] = 127
        return crop


class Pipeline:
    def __init__(self, models, fps):
        models = Path(models)
        self.detector = NanoDet(models / "nanodet-g.onnx")
        self.faces = CenterFace(models / "centerface.onnx")
        self.embedder = session(next(models.glob("mobilenet*.onnx")))
        self.fps, self.frames, self.footage, self.sightings = fps, 0, 0.0, 0

    def run(self, path):
        video = cv2.VideoCapture(str(path))
        rate = video.get(cv2.CAP_PROP_FPS)
        tracker = sv.ByteTrack(frame_rate=int(self.fps))
        open_tracks, due, number = {}, 0.0, 0
        while video.grab():
            at = number / rate
            number += 1
            if at + 1e-9 < due:
                continue
            due += 1 / self.fps
            _, image = video.retrieve()
            self.frames += 1
            tracked = tracker.update_with_detections(self.detector(image))
            for box, score, track in zip(tracked.xyxy, tracked.confidence, tracked.tracker_id):
                self.keep(open_tracks.setdefault(track, []), image, box, score, at)
            for track in [t for t, crops in open_tracks.items() if at - crops[-1][2] > 6]:
                self.publish(open_tracks.pop(track))
        for crops in open_tracks.values():
            self.publish(crops)
        self.footage += number / rate

    @staticmethod
    def keep(crops, image, box, score, at):
        x0, y0 = np.maximum(box[:2], 0).astype(int)
        x1, y1 = np.ceil(box[2:]).astype(int)
        quality = float(score * np.sqrt(max(0, x1 - x0) * max(0, y1 - y0)))
        if x1 > x0 and y1 > y0 and (len(crops) < 3 or quality > crops[0][0]):
            crops.append((quality, image[y0:y1, x0:x1].copy(), at))
            crops.sort(key=lambda c: c[0])
            del crops[:-3]
        elif crops:
            crops[-1] = (*crops[-1][:2], at)

    def publish(self, crops):
        vectors = []
        for _, crop, _ in crops:
            if crop.size == 0:
                continue
            crop = self.faces.erase(crop)
            small = cv2.resize(crop, (128, 256))
            tensor = np.ascontiguousarray(small[:, :, ::-1].transpose(2, 0, 1)[None], np.float32)
            vectors.append(self.embedder.run(None, {"image": tensor})[0][0])
            lab = cv2.cvtColor(small, cv2.COLOR_BGR2LAB)
            for part in (lab[50:120], lab[130:230]):
                np.histogramdd(part.reshape(-1, 3), bins=(8, 8, 8))
        self.sightings += bool(vectors)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models")
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--fps", type=float, default=5)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    pipeline = Pipeline(args.models, args.fps)
    began, cpu = time.perf_counter(), time.process_time()
    for video in args.videos:
        pipeline.run(video)
    print(json.dumps({
        "frames": pipeline.frames,
        "footage_s": round(pipeline.footage, 3),
        "wall_s": round(time.perf_counter() - began, 3),
        "cpu_s": round(time.process_time() - cpu, 3),
        "sightings": pipeline.sightings,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }))


if __name__ == "__main__":
    main()
