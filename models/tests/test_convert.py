"""The converters on small graphs made here. Needs numpy and onnx: the cache's virtual environment has them."""

import base64
import collections
import json
import pathlib
import pickle
import subprocess
import sys
import tempfile
import unittest
import zipfile

try:
    import numpy as np
    import onnx
    from onnx.reference import ReferenceEvaluator
except ModuleNotFoundError as missing:
    raise unittest.SkipTest(f"SKIPPED: {missing}; run this with the cache's venv/bin/python") from None

CONVERT = pathlib.Path(__file__).resolve().parent.parent / "convert"
sys.path.insert(0, str(CONVERT))
import graph
import quantise
import tfjs
import weights


def name(word):
    return {"s": base64.b64encode(word.encode()).decode()}


class Converted(unittest.TestCase):
    """A graph with what the exporter writes round one convolution: padding, a turn to NHWC, bias, a turn back."""

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        random = np.random.default_rng(7)
        self.kernel = random.standard_normal((3, 3, 3, 4)).astype(np.float32)
        self.bias = random.standard_normal(4).astype(np.float32)
        self.image = random.standard_normal((2, 3, 8, 6)).astype(np.float32)

    def convert(self, nodes, constants, heads, out="out.onnx"):
        stored, listed = b"", []
        for key, array in constants.items():
            listed.append({"name": key, "shape": list(array.shape), "dtype": "int32" if array.dtype.kind == "i" else "float32"})
            stored += array.tobytes()
        topology = [{"name": key, "op": "Const"} for key in constants]
        picture = {"name": "in", "op": "Placeholder", "attr": {"shape": {"shape": {"dim": [{"size": n} for n in "1386"]}}}}
        model = {"modelTopology": {"node": [picture, *topology, *nodes]}, "weightsManifest": [{"paths": ["w.bin"], "weights": listed}]}
        (self.folder / "model.json").write_text(json.dumps(model))
        (self.folder / "w.bin").write_bytes(stored)
        spec = {"model": "model.json", "cut": "in", "order": (0, 1, 2, 3), "shape": (1, 3, 8, 6), "heads": heads}
        tfjs.Converter(self.folder, spec).write(self.folder / out)
        return onnx.load(self.folder / out)

    def convolution(self, out="out.onnx"):
        nodes = [
            {"name": "pad", "op": "Pad", "input": ["in", "amounts"]},
            {"name": "turn", "op": "Transpose", "input": ["pad", "to_nhwc"]},
            {"name": "conv", "op": "Conv2D", "input": ["turn", "kernel"], "attr": {"strides": {"list": {"i": ["1", "2", "2", "1"]}}, "padding": name("VALID")}},
            {"name": "biased", "op": "Add", "input": ["conv", "bias"]},
            {"name": "back", "op": "Transpose", "input": ["biased", "to_nchw"]},
            {"name": "cells", "op": "Reshape", "input": ["back", "shape"]},
            {"name": "last", "op": "Transpose", "input": ["cells", "swap"]},
        ]
        constants = {
            "amounts": np.array([[0, 0], [0, 0], [1, 1], [1, 1]], np.int32),
            "to_nhwc": np.array([0, 2, 3, 1], np.int32),
            "to_nchw": np.array([0, 3, 1, 2], np.int32),
            "kernel": self.kernel,
            "bias": self.bias,
            "shape": np.array([1, 4, -1], np.int32),
            "swap": np.array([0, 2, 1], np.int32),
        }
        return self.convert(nodes, constants, {"answer": ("last", ["batch", "cells", 4])}, out)


class TensorFlowJs(Converted):
    def test_a_convolution_answers_as_the_source_does(self):
        padded = np.pad(self.image, ((0, 0), (0, 0), (1, 1), (1, 1)))
        expected = np.zeros((2, 4, 4, 3), np.float32)
        for y in range(4):
            for x in range(3):
                window = padded[:, :, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
                expected[:, :, y, x] = np.einsum("bchw,hwco->bo", window, self.kernel) + self.bias
        expected = expected.reshape(2, 4, -1).transpose(0, 2, 1)
        (answer,) = ReferenceEvaluator(self.convolution()).run(None, {"image": self.image})
        np.testing.assert_allclose(answer, expected, atol=1e-5)

    def test_padding_bias_and_turns_go_into_the_convolution(self):
        kinds = collections.Counter(node.op_type for node in self.convolution().graph.node)
        self.assertEqual(kinds, {"Conv": 1, "Reshape": 1, "Transpose": 1, "Identity": 1})

    def test_the_same_source_gives_the_same_bytes(self):
        self.convolution("one.onnx")
        self.convolution("two.onnx")
        self.assertEqual((self.folder / "one.onnx").read_bytes(), (self.folder / "two.onnx").read_bytes())

    def test_a_convolution_that_somebody_else_reads_keeps_its_own_values(self):
        attr = {"strides": {"list": {"i": ["1", "1", "1", "1"]}}, "padding": name("VALID")}
        nodes = [
            {"name": "turn", "op": "Transpose", "input": ["in", "to_nhwc"]},
            {"name": "conv", "op": "Conv2D", "input": ["turn", "kernel"], "attr": attr},
            {"name": "biased", "op": "Add", "input": ["conv", "bias"]},
            {"name": "difference", "op": "Sub", "input": ["biased", "conv"]},
        ]
        constants = {"to_nhwc": np.array([0, 2, 3, 1], np.int32), "kernel": self.kernel, "bias": self.bias}
        model = self.convert(nodes, constants, {"answer": ("difference", ["batch", "rows", "columns", 4])})
        (answer,) = ReferenceEvaluator(model).run(None, {"image": self.image})
        np.testing.assert_allclose(answer, np.broadcast_to(self.bias, answer.shape), atol=1e-5)

    def test_what_the_exporter_put_into_a_convolution_is_done(self):
        """A bias and a limit inside the convolution answer as a convolution, an addition and a limit do."""
        attr = {"strides": {"list": {"i": ["1", "1", "1", "1"]}}, "padding": name("SAME")}
        limits = {"fused_ops": {"list": {"s": [name(word)["s"] for word in ("BiasAdd", "Relu6")]}}}
        turn = {"name": "turn", "op": "Transpose", "input": ["in", "to_nhwc"]}
        fused = [turn, {"name": "conv", "op": "_FusedConv2D", "input": ["turn", "kernel", "bias"], "attr": attr | limits}]
        plain = [
            turn,
            {"name": "bare", "op": "Conv2D", "input": ["turn", "kernel"], "attr": attr},
            {"name": "biased", "op": "Add", "input": ["bare", "bias"]},
            {"name": "conv", "op": "Relu6", "input": ["biased"]},
        ]
        constants = {"to_nhwc": np.array([0, 2, 3, 1], np.int32), "kernel": self.kernel, "bias": self.bias}
        heads = {"answer": ("conv", ["batch", 4, 8, 6], (0, 3, 1, 2))}
        answers = [ReferenceEvaluator(self.convert(nodes, constants, heads)).run(None, {"image": self.image[:1]})[0] for nodes in (fused, plain)]
        np.testing.assert_allclose(*answers, atol=1e-5)
        fused[1]["attr"] = attr | {"fused_ops": {"list": {"s": [name("Elu")["s"]]}}}
        with self.assertRaisesRegex(SystemExit, "Elu"):
            self.convert(fused, constants, heads)

    def test_an_unknown_operation_is_refused_by_name(self):
        with self.assertRaisesRegex(SystemExit, "operation Softplus .* is not covered"):
            self.convert([{"name": "x", "op": "Softplus", "input": ["in"]}], {}, {"answer": ("x", ["batch", 3, 8, 6])})

    def test_weights_that_stop_early_are_refused(self):
        self.convolution()
        (self.folder / "w.bin").write_bytes((self.folder / "w.bin").read_bytes() + b"more")
        with self.assertRaisesRegex(SystemExit, "bytes of weights"):
            tfjs.read(self.folder / "model.json")


class Quantised(Converted):
    """The same convolution in whole numbers."""

    def quantised(self, ranges):
        model = self.convolution()
        quantise.quantise(model, ranges)
        graph.write(self.folder / "int8.onnx", model)
        return onnx.load(self.folder / "int8.onnx")

    def test_whole_numbers_answer_like_the_floats_they_stand_for(self):
        floats = self.convolution()
        (expected,) = ReferenceEvaluator(floats).run(None, {"image": self.image})
        out = next(node.output[0] for node in floats.graph.node if node.op_type == "Conv")
        ranges = {"image": (self.image.min(), self.image.max()), out: (expected.min(), expected.max())}
        model = self.quantised({name: (float(low), float(high)) for name, (low, high) in ranges.items()})
        model.opset_import[0].version = 19  # the reference evaluator has forgotten version 13, which says the same
        (answer,) = ReferenceEvaluator(model).run(None, {"image": self.image})
        # Within a fiftieth of the range, and not by having stayed floats.
        self.assertLess(np.abs(answer - expected).max(), (expected.max() - expected.min()) / 50)
        self.assertGreater(np.abs(answer - expected).max(), 0)
        stored = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
        self.assertIn(onnx.TensorProto.INT8, stored.values())

    def test_a_tensor_without_a_range_is_refused(self):
        with self.assertRaisesRegex(SystemExit, "ranges has none for"):
            self.quantised({"image": (-1.0, 1.0)})


class Evil:
    def __reduce__(self):
        return print, ("weights that speak",)


class PyTorchWeights(unittest.TestCase):
    def test_a_pickle_that_calls_something_else_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "weights.pt"
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("archive/data.pkl", pickle.dumps({"x": Evil()}))
            with self.assertRaisesRegex(pickle.UnpicklingError, "builtins.print"):
                weights.load(path)

    def test_a_tensor_that_reaches_past_its_storage_is_refused(self):
        tensor = weights.Tensor(storage=(np.float32, "0"), offset=2, shape=(3, 4), strides=(4, 1))
        self.assertEqual(tensor.array(np.arange(14, dtype=np.float32)).shape, (3, 4))
        with self.assertRaisesRegex(ValueError, "past the end"):
            tensor.array(np.arange(13, dtype=np.float32))


class Constants(unittest.TestCase):
    def test_equal_constants_are_stored_once_and_unused_ones_not_at_all(self):
        made = graph.Graph()
        made.constant(np.float32(5))
        made.relu6("image")
        made.relu6("image")
        made.nodes[-1].output[0] = "answer"
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "x.onnx"
            made.write(path, "x", [("image", ["n"])], [("answer", ["n"])])
            self.assertEqual(len(onnx.load(path).graph.initializer), 2)


class Scripts(unittest.TestCase):
    def test_a_converter_that_fails_writes_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out.onnx"
            for script, kind in [("tfjs", "nanodet"), ("centerface", "centerface"), ("appearance", "mobilenetv2")]:
                done = subprocess.run([sys.executable, "-B", CONVERT / f"{script}.py", kind, folder, out], capture_output=True)
                self.assertNotEqual(done.returncode, 0)
                self.assertFalse(out.exists())


if __name__ == "__main__":
    unittest.main()
