#!/usr/bin/env python3
"""The ranges that quantise.py needs, measured on pictures; made by hand when a model changes, never while fetching.

usage: calibrate.py MODEL.onnx OUT.json PICTURE...

Needs onnx, onnxruntime and pillow. Writes the lowest and highest value of every tensor of the float model's layers that are
to be quantised, over all pictures, as JSON; of the pictures nothing else is kept.
"""

import json
import os
import sys

import numpy as np
import onnx

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read as the library is loaded
import onnxruntime
from PIL import Image

from quantise import QUANTISED

MEAN, STD = np.float32([103.53, 116.28, 123.675]), np.float32([57.375, 57.12, 58.395])
SIDES = (288, 512)


def picture(path):
    with Image.open(path) as image:
        image = image.convert("RGB")
    height, width = SIDES if image.width >= image.height else SIDES[::-1]
    ratio = min(height / image.height, width / image.width)
    small = image.resize((int(image.width * ratio), int(image.height * ratio)), Image.BILINEAR)
    boxed = np.zeros((height, width, 3), np.uint8)
    boxed[: small.height, : small.width] = np.asarray(small)[:, :, ::-1]
    return ((boxed - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)


def main(model_file, out, pictures):
    model = onnx.load(model_file)
    constants = {tensor.name for tensor in model.graph.initializer}
    names = {"image"}
    for node in model.graph.node:
        if node.op_type in QUANTISED:
            names.update(name for name in [*node.input, *node.output] if name and name not in constants)
    shown = sorted(names - {"image"})
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in shown)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ranges = {}
    for path in pictures:
        image = picture(path)
        for name, array in zip(["image", *shown], [image, *session.run(None, {"image": image})]):
            low, high = ranges.get(name, (0.0, 0.0))
            ranges[name] = (min(low, float(array.min())), max(high, float(array.max())))
    # Four digits say a range well enough, and read better.
    lines = [f'"{name}": [{low:.4g}, {high:.4g}]' for name, (low, high) in sorted(ranges.items())]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    json.loads(text)
    with open(out, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
