"""A small builder for ONNX graphs that writes the same bytes on every machine."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 13
IR_VERSION = 8


class Graph:
    """Collects nodes and constants in the order they are added; the names follow from that order alone."""

    def __init__(self):
        self.nodes = []
        self.constants = []
        self._same = {}

    def constant(self, array):
        """The name of a constant; equal ones are stored once."""
        array = np.ascontiguousarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._same:
            self._same[key] = f"c{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(array, self._same[key]))
        return self._same[key]

    def node(self, op, inputs, outputs=1, **attributes):
        """Adds a node; gives the name of its output, or a list of names where there are several."""
        names = [f"t{len(self.nodes)}" if outputs == 1 else f"t{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, image, weights, bias, stride, pads=None):
        """A convolution of NCHW `image`. `weights` are [out, in per group, height, width] and make it depthwise where
        in-per-group is 1. `pads` are [top, left, bottom, right]; None pads like TensorFlow's SAME."""
        depthwise = weights.shape[1] == 1 and weights.shape[0] > 1
        padding = {"auto_pad": "SAME_UPPER"} if pads is None else {"pads": list(pads)}
        inputs = [image, self.constant(weights.astype(np.float32))]
        if bias is not None:
            inputs.append(self.constant(bias.astype(np.float32)))
        return self.node(
            "Conv",
            inputs,
            kernel_shape=list(weights.shape[2:]),
            strides=list(stride),
            group=weights.shape[0] if depthwise else 1,
            **padding,
        )

    def relu6(self, x):
        return self.node("Clip", [x, self.constant(np.float32(0)), self.constant(np.float32(6))])

    def write(self, path, name, inputs, outputs, change=None):
        """`inputs` and `outputs` are (name, dimensions) of float tensors; a dimension that is a word is left open. `change`
        gets the model before it is written."""
        value = lambda pair: helper.make_tensor_value_info(pair[0], TensorProto.FLOAT, pair[1])
        used = {name for node in self.nodes for name in node.input}
        constants = [tensor for tensor in self.constants if tensor.name in used]
        graph = helper.make_graph(self.nodes, name, [value(p) for p in inputs], [value(p) for p in outputs], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="sightline")
        if change:
            change(model)
        write(path, model)


def write(path, model):
    """Checks the model and writes it with the bytes in a fixed order."""
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    with open(path, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))
