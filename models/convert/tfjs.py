#!/usr/bin/env python3
"""TensorFlow.js graph models to ONNX, with numpy and onnx alone.

usage: tfjs.py nanodet|nanodet-int8|coco-ssd|blazepose-lite SOURCE_FOLDER OUT.onnx

nanodet   input  image [batch, 3, height, width] float32, normalised BGR; height and width multiples of 32
          output cls_s8, cls_s16, cls_s32 [batch, cells, 80] after the sigmoid; dist_s8, .. [batch, cells, 44]
coco-ssd  input  image [batch, 3, height, width] float32, RGB, 0..255 (brought to -1..1 inside)
          output box_0..box_5 [batch, rows, columns, anchors * 4], cls_0..cls_5 [.., anchors * 91]: the raw heads
blazepose input  image [batch, 3, 256, 256] float32, RGB, 0..1, a square around a figure
          output mask [batch, 1, 256, 256], 0..1, of the figure in the middle; points [batch, 195], 39 x (x, y, depth,
          visibility, presence) in pixels of the picture. The map of each point and the points in metres are cut off

The source graphs think in NHWC and turn their tensors round before and after every convolution. Here each value
remembers which axis of the source each of its stored axes is, so a transposition costs nothing until somebody needs the
real order; and padding, batch normalisation and biases go into the convolution beside them. Only the operations that
these graphs use are covered; another is refused by name.
"""

import base64
import dataclasses
import json
import math
import pathlib
import sys

import numpy as np

from graph import Graph
from quantise import quantise

# `cut` is the value whose place the picture takes, `order` how the picture's axes NCHW are called there.
NANODET = {
    "model": "nanodet.json",
    "cut": "input_1",
    "order": (0, 1, 2, 3),
    "shape": (1, 3, 416, 416),
    "heads": {
        f"{head}_s{stride}": (f"Identity{suffix}", ["batch", f"cells_s{stride}", wide])
        for head, wide, suffixes in [("cls", 80, ["", "_1", "_2"]), ("dist", 44, ["_3", "_4", "_5"])]
        for stride, suffix in zip([8, 16, 32], suffixes)
    },
}
COCO_SSD = {
    "model": "model.json",
    "cut": "Preprocessor/map/TensorArrayStack/TensorArrayGatherV3",
    "order": (0, 3, 1, 2),
    "shape": (1, 3, 300, 300),
    "heads": {
        f"{head}_{k}": (f"BoxPredictor_{k}/{long}/BiasAdd", ["batch", f"rows_{k}", f"columns_{k}", (6 if k else 3) * wide])
        for k in range(6)
        for head, long, wide in [("box", "BoxEncodingPredictor", 4), ("cls", "ClassPredictor", 91)]
    },
}
BLAZEPOSE = {
    "title": "figure",
    "model": "blazepose-lite.json",
    "cut": "input_1",
    "order": (0, 3, 1, 2),
    "shape": (1, 3, 256, 256),
    "input": ["batch", 3, 256, 256],
    "heads": {
        "mask": ("Identity_1", ["batch", 1, 256, 256], (0, 3, 1, 2)),
        "points": ("Identity_2", ["batch", 195]),
    },
}
GRAPHS = {
    "nanodet": NANODET,
    "nanodet-int8": {**NANODET, "ranges": "nanodet-ranges.json"},
    "coco-ssd": COCO_SSD,
    "blazepose-lite": BLAZEPOSE,
}

NCHW = (0, 3, 1, 2)  # stored so, of a value that the source calls NHWC


@dataclasses.dataclass(frozen=True)
class Value:
    """A tensor of the ONNX graph as the source sees it."""

    name: str
    order: tuple  # stored axis k is the source's axis order[k]
    shape: tuple  # of the stored axes, at the size the source was exported for
    pads: tuple = ()  # (before, after) of each stored axis, owed to the next reader
    padding: float = 0.0  # with what

    def axis(self, source_axis):
        """Which stored axis the source means."""
        return self.order.index(int(source_axis) % len(self.order))


@dataclasses.dataclass
class Convolution:
    """What a convolution node was made of, for what is still to be folded in."""

    node: object
    weights: np.ndarray
    bias: np.ndarray


class Converter:
    def __init__(self, folder, spec):
        topology, self.weights = read(folder / spec["model"])
        self.nodes = {node["name"]: node for node in topology}
        self.spec = spec
        self.graph = Graph()
        self.values = {spec["cut"]: Value("image", spec["order"], spec["shape"])}
        self.constants = dict(self.weights)
        self.convolutions = {}
        read_by = [plain(source) for node in topology for source in node.get("input", [])]
        self.read_once = {name for name in read_by if read_by.count(name) == 1}

    def write(self, path):
        for name, (source, dimensions, *order) in self.spec["heads"].items():
            value = self.stored(self.value(source), *order or [range(len(dimensions))])
            self.graph.node("Identity", [value.name])
            self.graph.nodes[-1].output[0] = name
        outputs = [(name, dimensions) for name, (_, dimensions, *_) in self.spec["heads"].items()]
        picture = ("image", self.spec.get("input", ["batch", 3, "height", "width"]))
        self.graph.write(path, self.spec.get("title", "detector"), [picture], outputs, self.quantise)

    def quantise(self, model):
        if table := self.spec.get("ranges"):
            quantise(model, json.loads((pathlib.Path(__file__).parent / table).read_text()))

    def constant(self, source):
        """The array, where the value does not depend on the picture; else None."""
        name = plain(source)
        if name not in self.constants:
            node = self.nodes[name]
            known = name != self.spec["cut"] and node["op"] in FOLDED
            arrays = [self.constant(i) for i in node["input"]] if known else [None]
            self.constants[name] = None if any(a is None for a in arrays) else FOLDED[node["op"]](*arrays)
        return self.constants[name]

    def value(self, source):
        """The value; what it is made from is translated first, depth first."""
        todo = [plain(source)]
        while todo:
            name = todo[-1]
            node = self.nodes[name]
            missing = [n for n in map(plain, node.get("input", [])) if self.constant(n) is None and n not in self.values]
            if name in self.values:
                todo.pop()
            elif missing:
                todo += missing
            elif node["op"] in OPERATIONS:
                self.values[name] = OPERATIONS[node["op"]](self, node["input"], node.get("attr", {}))
            else:
                raise SystemExit(f"operation {node['op']} ({name}) is not covered")
        found = self.values[plain(source)]
        return found[int(source.partition(":")[2] or 0)] if isinstance(found, list) else found

    def stored(self, value, order):
        """The value with its stored axes in this order and its padding applied."""
        if any(map(any, value.pads)):
            amounts = np.array(value.pads, np.int64).T.reshape(-1)
            shape = tuple(n + sum(p) for n, p in zip(value.shape, value.pads))
            name = self.graph.node("Pad", [value.name, self.graph.constant(amounts), self.graph.constant(np.float32(value.padding))])
            value = Value(name, value.order, shape)
        axes = [value.order.index(axis) for axis in order]
        if axes != sorted(axes):
            name = self.graph.node("Transpose", [value.name], perm=axes)
            value = Value(name, tuple(order), tuple(value.shape[axis] for axis in axes))
        return value

    def window(self, source, attr, kernel, padding):
        """What a sliding window reads: the picture as NCHW, its pads ([top, left, bottom, right] or None for SAME) and
        the shape of what comes out but for the channels. Padding that the source owes is taken over where it is with
        `padding`."""
        value = self.value(source)
        owed = [value.pads[value.axis(axis)] if value.pads else (0, 0) for axis in range(4)]
        if owed[0] == owed[3] == (0, 0) and (value.padding == padding or not any(map(any, owed))):
            value = dataclasses.replace(value, pads=())
        else:
            owed = [(0, 0)] * 4
        value = self.stored(value, NCHW)
        strides = [int(s) for s in attr["strides"]["list"]["i"]][1:3]
        (top, bottom), (left, right) = owed[1:3]
        pads = [top, left, bottom, right]
        if text(attr["padding"]) == "SAME":
            assert not any(pads), "SAME on top of padding"
            size = [math.ceil(n / s) for n, s in zip(value.shape[2:], strides)]
            return value, strides, None, size
        size = [(n + sum(p) - k) // s + 1 for n, p, k, s in zip(value.shape[2:], owed[1:3], kernel, strides)]
        return value, strides, pads, size

    # One method for each operation of the source: its inputs and its attributes to a value, or several.

    def identity(self, inputs, _attr):
        return self.value(inputs[0])

    def transpose(self, inputs, _attr):
        value, turned = self.value(inputs[0]), [int(axis) for axis in self.constant(inputs[1])]
        return dataclasses.replace(value, order=tuple(turned.index(axis) for axis in value.order))

    def pad(self, inputs, _attr):
        value, amounts = self.value(inputs[0]), self.constant(inputs[1])
        value = self.stored(value, value.order)
        pads = tuple(tuple(int(n) for n in amounts[axis]) for axis in value.order)
        return dataclasses.replace(value, pads=pads, padding=float(self.constant(inputs[2])) if len(inputs) > 2 else 0.0)

    def convolve(self, inputs, attr):
        return self.convolution(inputs, attr, self.constant(inputs[1]).transpose(3, 2, 0, 1))

    def convolve_depthwise(self, inputs, attr):
        weights = self.constant(inputs[1])  # [height, width, channels, multiplier]
        height, width = weights.shape[:2]
        return self.convolution(inputs, attr, weights.transpose(2, 3, 0, 1).reshape(-1, 1, height, width))

    def convolve_fused(self, inputs, attr):
        return self.fused(inputs, attr, self.convolve(inputs, attr))

    def convolve_depthwise_fused(self, inputs, attr):
        return self.fused(inputs, attr, self.convolve_depthwise(inputs, attr))

    def fused(self, inputs, attr, value):
        """What the exporter put into the convolution that made the value: a bias, and what cuts off."""
        operations = [text({"s": s}) for s in attr["fused_ops"]["list"]["s"]]
        made = self.convolutions[value.name]
        if operations[:1] == ["BiasAdd"]:
            made.bias = self.constant(inputs[2]).astype(np.float64).reshape(-1)
            made.node.input.append(self.graph.constant(made.bias.astype(np.float32)))
            operations = operations[1:]
        if operations == ["Relu6"]:
            return dataclasses.replace(value, name=self.graph.relu6(value.name))
        if operations == ["Relu"]:
            return dataclasses.replace(value, name=self.graph.node("Relu", [value.name]))
        if operations:
            raise SystemExit(f"{operations} in a convolution is not covered")
        return value

    def convolution(self, inputs, attr, weights):
        value, strides, pads, size = self.window(inputs[0], attr, weights.shape[2:], 0.0)
        name = self.graph.conv(value.name, weights, None, strides, pads)
        self.convolutions[name] = Convolution(self.graph.nodes[-1], weights.astype(np.float64), np.zeros(weights.shape[0]))
        return Value(name, NCHW, (1, weights.shape[0], *size))

    def max_pool(self, inputs, attr):
        kernel = [int(k) for k in attr["ksize"]["list"]["i"]][1:3]
        value, strides, pads, size = self.window(inputs[0], attr, kernel, -math.inf)
        padding = {"auto_pad": "SAME_UPPER"} if pads is None else {"pads": pads}
        name = self.graph.node("MaxPool", [value.name], kernel_shape=kernel, strides=strides, **padding)
        return Value(name, NCHW, (*value.shape[:2], *size))

    def batch_norm(self, inputs, attr):
        gain, offset, mean, variance = (self.constant(i).astype(np.float64) for i in inputs[1:])
        scale = gain / np.sqrt(variance + float(attr["epsilon"]["f"]))
        return self.affine(inputs[0], scale, offset - mean * scale)

    def affine(self, source, scale, shift):
        """The channels times `scale` plus `shift`, inside the convolution that made them where nobody else reads it."""
        value = self.value(source)
        made = self.convolutions.get(value.name)
        if made is None or plain(source) not in self.read_once:
            return self.binary("Add", self.binary("Mul", value, scale.astype(np.float32)), shift.astype(np.float32))
        made.weights, made.bias = made.weights * scale[:, None, None, None], made.bias * scale + shift
        made.node.input[1:] = [self.graph.constant(a.astype(np.float32)) for a in (made.weights, made.bias)]
        return value

    def add(self, inputs, _attr):
        return self.per_channel(inputs, lambda shift: (np.ones_like(shift), shift)) or self.binary("Add", *self.operands(inputs))

    def multiply(self, inputs, _attr):
        return self.per_channel(inputs, lambda scale: (scale, np.zeros_like(scale))) or self.binary("Mul", *self.operands(inputs))

    def per_channel(self, inputs, scale_and_shift):
        """With one number a channel beside a convolution: folded into it. Else None."""
        for source, other in (inputs, reversed(inputs)):
            numbers = self.constant(other)
            if numbers is not None and self.constant(source) is None:
                made = self.convolutions.get(self.value(source).name)
                if made is not None and numbers.shape == made.bias.shape:
                    return self.affine(source, *scale_and_shift(numbers.astype(np.float64)))
        return None

    def add_all(self, inputs, _attr):
        first = self.value(inputs[0])
        parts = [self.stored(self.value(i), first.order) for i in inputs]
        return Value(self.graph.node("Sum", [p.name for p in parts]), first.order, parts[0].shape)

    def subtract(self, inputs, _attr):
        return self.binary("Sub", *self.operands(inputs))

    def operands(self, inputs):
        return [self.value(i) if self.constant(i) is None else self.constant(i).astype(np.float32) for i in inputs]

    def binary(self, op, left, right):
        model = left if isinstance(left, Value) else right
        name = self.graph.node(op, [self.operand(side, model) for side in (left, right)])
        return Value(name, model.order, self.stored(model, model.order).shape)

    def operand(self, side, model):
        """The name of a value or an array with its axes in the order of `model`'s."""
        if isinstance(side, Value):
            return self.stored(side, model.order).name
        array = side.reshape((1,) * (len(model.order) - side.ndim) + side.shape) if side.ndim else side
        return self.graph.constant(array.transpose(model.order) if side.ndim else array)

    def elementwise(self, op, source, *constants, **attributes):
        value = self.value(source)
        value = self.stored(value, value.order)
        name = self.graph.node(op, [value.name, *map(self.graph.constant, constants)], **attributes)
        return dataclasses.replace(value, name=name)

    def relu6(self, inputs, _attr):
        return self.elementwise("Clip", inputs[0], np.float32(0), np.float32(6))

    def leaky_relu(self, inputs, attr):
        return self.elementwise("LeakyRelu", inputs[0], alpha=float(attr.get("alpha", {}).get("f", 0.2)))

    def sigmoid(self, inputs, _attr):
        return self.elementwise("Sigmoid", inputs[0])

    def concat(self, inputs, _attr):
        first = self.value(inputs[0])
        parts = [self.stored(self.value(i), first.order) for i in inputs[:-1]]
        axis = first.axis(self.constant(inputs[-1]))
        shape = tuple(sum(p.shape[k] for p in parts) if k == axis else n for k, n in enumerate(parts[0].shape))
        return Value(self.graph.node("Concat", [p.name for p in parts], axis=axis), first.order, shape)

    def split(self, inputs, _attr):
        value, sizes = self.value(inputs[0]), self.constant(inputs[1]).astype(np.int64)
        axis = value.axis(self.constant(inputs[2]))
        value = self.stored(value, value.order)
        names = self.graph.node("Split", [value.name, self.graph.constant(sizes)], outputs=len(sizes), axis=axis)
        shapes = [tuple(int(size) if k == axis else n for k, n in enumerate(value.shape)) for size in sizes]
        return [Value(name, value.order, shape) for name, shape in zip(names, shapes)]

    def reshape(self, inputs, _attr):
        value = self.value(inputs[0])
        value = self.stored(value, range(len(value.order)))
        wanted = [int(n) for n in self.constant(inputs[1])]
        left = math.prod(value.shape) // math.prod(n for n in wanted if n > 0)
        shape = tuple(left if n < 0 else n for n in wanted)
        assert value.shape[0] == shape[0] == 1, "the first axis is the batch's"
        kept = np.array([0, *wanted[1:]], np.int64)  # 0: as it comes, so that any batch fits
        name = self.graph.node("Reshape", [value.name, self.graph.constant(kept)])
        return Value(name, tuple(range(len(shape))), shape)

    def resize(self, inputs, attr):
        """To a fixed size in the source; to the same fraction here, so that the model takes pictures of any size."""
        value = self.stored(self.value(inputs[0]), NCHW)
        size = [int(n) for n in self.constant(inputs[1])]
        scales = np.array([1, 1, *(to / of for to, of in zip(size, value.shape[2:]))], np.float32)
        mode = "half_pixel" if attr.get("half_pixel_centers", {}).get("b") else "asymmetric"
        name = self.graph.node(
            "Resize", [value.name, "", self.graph.constant(scales)], mode="linear", coordinate_transformation_mode=mode
        )
        return Value(name, NCHW, (*value.shape[:2], *size))


OPERATIONS = {
    "Add": Converter.add,
    "AddN": Converter.add_all,
    "AddV2": Converter.add,
    "BiasAdd": Converter.add,
    "ConcatV2": Converter.concat,
    "Conv2D": Converter.convolve,
    "DepthwiseConv2dNative": Converter.convolve_depthwise,
    "FusedBatchNorm": Converter.batch_norm,
    "FusedBatchNormV3": Converter.batch_norm,
    "FusedDepthwiseConv2dNative": Converter.convolve_depthwise_fused,
    "Identity": Converter.identity,
    "LeakyRelu": Converter.leaky_relu,
    "MaxPool": Converter.max_pool,
    "Mul": Converter.multiply,
    "Pad": Converter.pad,
    "PadV2": Converter.pad,
    "Relu6": Converter.relu6,
    "Reshape": Converter.reshape,
    "ResizeBilinear": Converter.resize,
    "Sigmoid": Converter.sigmoid,
    "SplitV": Converter.split,
    "Sub": Converter.subtract,
    "Transpose": Converter.transpose,
    "_FusedConv2D": Converter.convolve_fused,
}


def dense(indices, shape, values, default):
    """TensorFlow's SparseToDense, which the exporter left where a shape is put together."""
    array = np.full(shape.reshape(-1), default)
    if indices.size:
        array[tuple(np.asarray(indices).reshape(-1, array.ndim).T)] = values
    return array


FOLDED = {"SparseToDense": dense, "Add": np.add, "AddV2": np.add, "Sub": np.subtract, "Mul": np.multiply, "Identity": lambda x: x}


def plain(source):
    """`name:1` or `^name` to `name`."""
    return source.lstrip("^").partition(":")[0]


def text(attribute):
    """A string attribute: base64, or a list of byte values."""
    value = attribute["s"]
    return (bytes(value) if isinstance(value, list) else base64.b64decode(value)).decode()


def read(path):
    """The nodes, and the weights by name, as float32 or as they are."""
    with open(path, "rb") as file:
        model = json.load(file)
    weights = {}
    for group in model["weightsManifest"]:
        stored = b"".join((path.parent / part).read_bytes() for part in group["paths"])
        at = 0
        for weight in group["weights"]:
            count, quantised = math.prod(weight["shape"]), weight.get("quantization")
            dtype = np.dtype(DTYPES[quantised["dtype"] if quantised else weight["dtype"]])
            array = np.frombuffer(stored, dtype, count, at)
            at += count * dtype.itemsize
            if quantised:
                array = array.astype(np.float32)
                if "scale" in quantised:
                    array = array * np.float32(quantised["scale"]) + np.float32(quantised["min"])
            weights[weight["name"]] = array.reshape(weight["shape"])
        if at != len(stored):
            raise SystemExit(f"{path.name} describes {at} bytes of weights, its files hold {len(stored)}")
    return model["modelTopology"]["node"], weights


DTYPES = {"float32": "<f4", "float16": "<f2", "int32": "<i4", "uint8": "u1", "uint16": "<u2", "bool": "?"}


if __name__ == "__main__":
    _, which, source_folder, out = sys.argv
    Converter(pathlib.Path(source_folder), GRAPHS[which]).write(out)
