#!/usr/bin/env python3
"""CenterFace as shipped to one of any size, used only to find what to erase.

usage: centerface.py centerface SOURCE_FOLDER OUT.onnx

input  image    [batch, 3, height, width] float32, RGB, 0..255; height and width multiples of 32
output heatmap  [batch, 1, height/4, width/4] and scale, offset [batch, 2, height/4, width/4]

The shipped file fixes its dimensions and lists the weights among the inputs, which keeps ONNX Runtime from folding
them (3 times slower). The landmarks output (eyes, nose, mouth) is cut off: nothing here has a use for it.
"""

import pathlib
import sys

import onnx

import graph

RENAMED = {"input.1": "image", "537": "heatmap", "538": "scale", "539": "offset"}
UNUSED = "540"
STRIDE = 4


def convert(source):
    model = onnx.load(source)
    net = model.graph

    weights = {tensor.name for tensor in net.initializer}
    keep(net.input, lambda value: value.name not in weights)
    keep(net.output, lambda value: value.name != UNUSED)
    keep(net.node, lambda node: UNUSED not in node.output)
    used = {name for node in net.node for name in node.input}
    keep(net.initializer, lambda tensor: tensor.name in used)
    del net.value_info[:]

    for node in net.node:
        for names in (node.input, node.output):
            names[:] = [RENAMED.get(name, name) for name in names]
    for value in [*net.input, *net.output]:
        value.name = RENAMED.get(value.name, value.name)
        divided = "" if value.name == "image" else f"_div{STRIDE}"
        batch, _, height, width = value.type.tensor_type.shape.dim
        batch.dim_param, height.dim_param, width.dim_param = "batch", f"height{divided}", f"width{divided}"
    return model


def keep(repeated, wanted):
    left = [item for item in repeated if wanted(item)]
    del repeated[:]
    repeated.extend(left)


if __name__ == "__main__":
    _, folder, out = sys.argv[1:]
    graph.write(out, convert(pathlib.Path(folder) / "centerface.onnx"))
