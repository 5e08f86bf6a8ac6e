"""Reads the weights out of a PyTorch file without PyTorch, and without running anything the file says.

A `.pt` is a pickle, and a pickle can call any function it names. This reader knows five names (an ordered dictionary,
how a tensor is put together, and the kinds of storage) and refuses every other.
"""

import collections
import dataclasses
import io
import pickle
import struct
import zipfile

import numpy as np

STORAGES = {
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "DoubleStorage": np.float64,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
# The first two pickles of a file of the old, unzipped kind.
OLD_MAGIC = 0x1950A86A20F9469CFC6C
OLD_VERSION = 1001


@dataclasses.dataclass
class Tensor:
    """Where a tensor's numbers are."""

    storage: tuple  # (numpy type, key)
    offset: int
    shape: tuple
    strides: tuple

    def array(self, numbers):
        flat = numbers[self.offset :]
        last = sum((n - 1) * step for n, step in zip(self.shape, self.strides))
        if last >= flat.size:
            raise ValueError("a tensor reaches past the end of its storage")
        steps = [step * flat.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(flat, self.shape, steps).copy()


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) in [("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor")]:
            return lambda storage, offset, shape, strides, *_: Tensor(storage, offset, shape, strides)
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"the file names {module}.{name}, which weights have no need of")

    def persistent_load(self, reference):
        _, dtype, key, *_ = reference
        return dtype, str(key)


def load(path):
    """The arrays by name."""
    return load_zip(path) if zipfile.is_zipfile(path) else load_old(path)


def load_zip(path):
    with zipfile.ZipFile(path) as archive:
        (listing,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        folder = listing.removesuffix("data.pkl")
        tensors = Unpickler(io.BytesIO(archive.read(listing))).load()
        read = lambda dtype, key: np.frombuffer(archive.read(f"{folder}data/{key}"), dtype)
        return {name: tensor.array(read(*tensor.storage)) for name, tensor in tensors.items()}


def load_old(path):
    with open(path, "rb") as file:
        if [Unpickler(file).load(), Unpickler(file).load()] != [OLD_MAGIC, OLD_VERSION]:
            raise ValueError(f"{path} is not a file of PyTorch weights")
        Unpickler(file).load()  # the machine it was written on
        tensors = Unpickler(file).load()
        types = {key: dtype for dtype, key in (tensor.storage for tensor in tensors.values())}
        storages = {}
        for key in map(str, Unpickler(file).load()):
            (count,) = struct.unpack("<q", file.read(8))
            dtype = np.dtype(types[key])
            storages[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype, count)
        if file.read(1):
            raise ValueError(f"{path} goes on after its weights")
    return {name: tensor.array(storages[tensor.storage[1]]) for name, tensor in tensors.items()}
