"""Describes values of PyTorch as JSON, in the words of ValueDescription.cs: equal descriptions mean equal values, to the bit."""
import argparse
import collections
import hashlib
import pathlib
import struct

import numpy
import torch

LONG = 2048
VERSION = int(torch.__version__.split(".")[0])


class Description:
    def __init__(self):
        self.storages, self.views = {}, {}

    def of(self, value):
        if value is None or isinstance(value, (bool, str)) and type(value) in (bool, str):
            return value
        kind = type(value)
        if kind is int:
            return {"int": str(value)}
        if kind is float:
            return {"float": bits(value)}
        if kind is complex:
            return {"complex": [bits(value.real), bits(value.imag)]}
        if kind in (bytes, bytearray):
            return {"bytes": text(bytes(value))}
        if kind in (list, tuple, torch.Size, set, frozenset):
            return {kind.__name__: [self.of(item) for item in value]}
        if kind in (dict, collections.OrderedDict, collections.defaultdict, collections.Counter):
            result = {kind.__name__: [[self.of(k), self.of(v)] for k, v in value.items()]}
            if getattr(value, "__dict__", None):
                result["attributes"] = self.of(dict(value.__dict__))
            return result
        if isinstance(value, torch.dtype):
            return {"global": str(value)}
        if isinstance(value, torch.device):
            return {"object": "torch.device", "arguments": {"tuple": [self.of(value.type)] + ([] if value.index is None else [self.of(value.index)])}}
        if kind in (range, slice):
            return {"object": f"builtins.{kind.__name__}", "arguments": {"tuple": [self.of(item) for item in (value.start, value.stop, value.step)]}}
        if isinstance(value, (argparse.Namespace,)):
            return {"object": "argparse.Namespace", "arguments": {"tuple": []}, "state": self.of(vars(value))}
        if isinstance(value, pathlib.PosixPath):
            made, arguments = value.__reduce__()
            return {"object": f"{made.__module__}.{made.__name__}", "arguments": self.of(arguments)}
        if isinstance(value, numpy.generic):
            return self.of(value.item())
        if isinstance(value, numpy.ndarray):
            return self.array(value)
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        if torch.is_storage(value):
            return self.tensor(torch.tensor([], dtype=value.dtype).set_(value))
        raise TypeError(f"no description of {kind}")

    def tensor(self, value):
        if value.is_meta:
            return self.meta(value)
        if value.layout == torch.sparse_coo:
            data = (value._indices(), value._values(), value.size())
            if VERSION > 1:
                data += (value.is_coalesced(),)
            layout = {"object": "torch.serialization._get_layout", "arguments": {"tuple": ["torch.sparse_coo"]}}
            return {"object": "torch._utils._rebuild_sparse_tensor", "arguments": {"tuple": [layout, self.of(data)]}}
        storage = value.storage()
        key = storage._storage._cdata if hasattr(storage, "_storage") else storage._untyped_storage._cdata
        view = (key, value.storage_offset(), tuple(value.shape), value.stride(), value.dtype)
        result = {
            "tensor": str(value.dtype),
            "shape": list(value.shape),
            "strides": list(value.stride()),
            "offset": value.storage_offset(),
            "storage": self.storages.setdefault(key, len(self.storages)),
            "view": self.views.setdefault(view, len(self.views)),
            "bytes": text(raw(value)),
            "parameter": isinstance(value, torch.nn.Parameter),
            "grad": value.requires_grad,
        }
        # PyTorch 1 does not save the attributes of a plain tensor.
        if value.__dict__ and VERSION > 1 and not isinstance(value, torch.nn.Parameter):
            result["attributes"] = self.of(dict(value.__dict__))
        return result

    def meta(self, value):
        data = (value.dtype, tuple(value.shape), value.stride(), value.requires_grad and not isinstance(value, torch.nn.Parameter))
        made = {"object": "torch._utils._rebuild_meta_tensor_no_storage", "arguments": self.of(data)}
        if not isinstance(value, torch.nn.Parameter):
            return made
        return {"object": "torch._utils._rebuild_parameter", "arguments": {"tuple": [made, value.requires_grad, self.of(collections.OrderedDict())]}}

    def array(self, value):
        item = value.dtype.itemsize
        number = len(self.storages)
        self.storages[("array", id(value), number)] = number
        view = len(self.views)
        self.views[("array", id(value), view)] = view
        little = numpy.ascontiguousarray(value).reshape(value.shape).astype(value.dtype.newbyteorder("<"))
        shape = [max(1, size) for size in value.shape]
        order = range(len(shape)) if value.flags.f_contiguous and not value.flags.c_contiguous else reversed(range(len(shape)))
        strides, step = [0] * len(shape), 1
        for dimension in order:
            strides[dimension] = step
            step *= shape[dimension]
        names = {"b1": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}
        name = names.get(value.dtype.str[1:], None) or names[value.dtype.kind] + str(8 * item)
        return {
            "tensor": "torch." + name, "shape": list(value.shape), "strides": strides, "offset": 0, "storage": number, "view": view,
            "bytes": text(little.tobytes()), "parameter": False, "grad": False,
        }


def raw(tensor):
    """The elements, dense and row-major."""
    dense = torch.empty(tensor.shape, dtype=tensor.dtype)
    dense.copy_(tensor.detach())
    if dense.numel() == 0:
        return b""
    flat = dense.reshape(-1).view(torch.uint8) if dense.dtype != torch.bool else dense.reshape(-1).to(torch.uint8)
    return flat.numpy().tobytes()


def text(data):
    return data.hex() if len(data) <= LONG else "sha256:" + hashlib.sha256(data).hexdigest()


def bits(number):
    return struct.pack(">d", number).hex()
