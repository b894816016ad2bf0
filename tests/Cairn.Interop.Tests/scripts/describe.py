"""Prints what torch.load makes of a file, one line a value, so that it can be compared to the bit.

describe.py FILE [weights_only] [mmap] [resave=FILE]
"""
import collections
import ctypes
import hashlib
import struct
import sys

import torch


def bits(number):
    return struct.pack(">d", number).hex()


def digest(data):
    return data.hex() if len(data) <= 64 else hashlib.sha256(data).hexdigest()


def content(tensor):
    dense = tensor.detach().contiguous()
    if dense.numel() == 0:
        return b""
    return ctypes.string_at(dense.data_ptr(), dense.numel() * dense.element_size())


class Description:
    def __init__(self):
        self.seen = {}
        self.storages = {}
        self.keep = []

    def put(self, path, text):
        print(f"{path}: {text}")

    def walk(self, path, value):
        if self.scalar(path, value):
            return
        if id(value) in self.seen and value != ():
            self.put(path, f"same as {self.seen[id(value)]}")
            return
        self.keep.append(value)
        self.seen[id(value)] = path
        if isinstance(value, torch.Tensor):
            self.tensor(path, value)
        elif isinstance(value, dict):
            self.put(path, f"{type(value).__name__} of {len(value)}")
            for i, (key, item) in enumerate(value.items()):
                self.walk(f"{path}.{i}k", key)
                self.walk(f"{path}.{i}", item)
            if isinstance(value, collections.OrderedDict) and value.__dict__:
                self.walk(f"{path}.attributes", value.__dict__)
        elif isinstance(value, (set, frozenset)):
            # A set has no order; those of the tests hold whole numbers.
            self.put(path, f"{type(value).__name__} {sorted(value)}")
        elif isinstance(value, (list, tuple)):
            self.put(path, f"{type(value).__name__} of {len(value)}")
            for i, item in enumerate(value):
                self.walk(f"{path}.{i}", item)
        else:
            raise TypeError(f"{path}: {type(value)}")

    def scalar(self, path, value):
        kind = type(value)
        if value is None:
            self.put(path, "None")
        elif kind is bool or kind is int:
            self.put(path, f"{kind.__name__} {value}")
        elif kind is float:
            self.put(path, f"float {bits(value)}")
        elif kind is complex:
            self.put(path, f"complex {bits(value.real)} {bits(value.imag)}")
        elif kind is str:
            self.put(path, f"str {digest(value.encode('utf-8', 'surrogatepass'))}")
        elif kind is bytes:
            self.put(path, f"bytes {digest(value)}")
        elif kind is torch.dtype or kind is torch.device:
            self.put(path, f"{kind.__name__} {value}")
        else:
            return False
        return True

    def tensor(self, path, value):
        storage = value.untyped_storage() if hasattr(value, "untyped_storage") else value.storage()._storage
        index = "none" if storage.nbytes() == 0 else self.storages.setdefault(storage.data_ptr(), len(self.storages))
        self.put(
            path,
            f"{type(value).__name__} {value.dtype} {list(value.shape)} strides {list(value.stride())} offset {value.storage_offset()} "
            f"requires_grad {value.requires_grad} storage {index} of {storage.nbytes()} {digest(content(value))}",
        )


def main():
    file, *words = sys.argv[1:]
    options = {}
    if "weights_only" in words:
        options["weights_only"] = True
    elif int(torch.__version__.split(".")[0]) >= 2:
        options["weights_only"] = False
    if "mmap" in words:
        options["mmap"] = True
    value = torch.load(file, **options)
    Description().walk("root", value)
    for word in words:
        if word.startswith("resave="):
            torch.save(value, word[len("resave="):])


main()
