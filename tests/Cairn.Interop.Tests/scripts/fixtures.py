"""Writes files with torch.save into a folder, each as NAME.pt with its description as NAME.json."""
import argparse
import collections
import json
import os
import pathlib
import pickle
import sys

import numpy
import torch

from values import VERSION, Description

TYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64,
         torch.complex64, torch.complex128]
TYPES += [getattr(torch, name) for name in ("uint16", "uint32", "uint64", "float8_e5m2", "float8_e4m3fn", "float8_e5m2fnuz", "float8_e4m3fnuz", "float8_e8m0fnu")
          if hasattr(torch, name)]
if VERSION > 1:
    TYPES.append(torch.complex32)


def random(dtype, *shape):
    if dtype == torch.complex32:
        return torch.view_as_complex(torch.randn(*shape, 2).half())
    if dtype.is_complex:
        part = torch.float32 if dtype == torch.complex64 else torch.float64
        return torch.complex(torch.randn(shape, dtype=part), torch.randn(shape, dtype=part))
    if dtype.is_floating_point:
        return torch.randn(shape).to(dtype)
    if dtype == torch.bool:
        return torch.randint(0, 2, shape).bool()
    return torch.randint(0, 100, shape).to(dtype)


def values():
    shared = [1, 2]
    return {
        "none": None, "yes": True, "no": False, "text": "Grüße, 世界 \U0001F600", "empty": "", "bytes": bytes(range(256)), "no bytes": b"",
        "ints": [0, 1, -1, 255, 256, 65535, 65536, -2**31, 2**31, 2**63 - 1, -2**63, 2**63, -2**64, 2**200],
        "floats": [0.0, -0.0, 1.5, -1e300, 5e-324, float("inf"), float("-inf")], "complex": 1.5 - 2j,
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)], "list": [[], [[]], [None]], "dict": {}, "deep": {"a": {"b": {"c": [{"d": 1}]}}},
        3: "int key", (1, "x"): "tuple key", 2.5: "float key", None: "none key", b"k": "bytes key",
        "set": {1, 2, 3}, "frozenset": frozenset(["a"]), "ordered": collections.OrderedDict([("z", 1), ("a", 2)]),
        "default": collections.defaultdict(list, {"a": [1]}), "counter": collections.Counter("hello"), "size": torch.Size([2, 3]),
        "dtype": torch.float16, "device": torch.device("cuda", 1), "cpu": torch.device("cpu"), "shared": [shared, shared], "bytearray": bytearray(b"abc"),
        "many": list(range(3000)), "path": pathlib.PosixPath("/a/b"), "namespace": argparse.Namespace(lr=0.1, layers=[1, 2]),
        "range": range(2, 9, 3), "slice": slice(1, None, 2),
    }


def views():
    base = torch.arange(60.0).reshape(3, 4, 5)
    large = torch.randn(1500, 900)
    return {
        "base": base, "transposed": base.transpose(0, 2), "permuted": base.permute(1, 2, 0), "column": base[:, 1], "row": base[1], "inner": base[:, 1:3, ::2],
        "every second": torch.arange(11)[::2], "tail": torch.arange(11)[4:], "expanded": torch.arange(3).expand(4, 3), "broadcast": torch.ones(1).expand(2, 3, 4),
        "large": large.t(), "large columns": large[:, 5:800:3], "large halves": torch.randn(2, 700, 300, dtype=torch.float64).permute(1, 2, 0),
        "wide complex": torch.randn(40, 50, dtype=torch.complex128).t(), "bytes": torch.arange(200, dtype=torch.uint8).reshape(10, 20).t(),
        "windows": torch.arange(10).unfold(0, 4, 1), "half": torch.randn(6, 7).half().t(),
    }


def sharing():
    base = torch.randn(10)
    model = torch.nn.Sequential(torch.nn.Embedding(5, 3), torch.nn.Linear(3, 5, bias=False))
    model[1].weight = model[0].weight
    return {"a": base, "same": base, "equal view": base[:], "part": base[2:7], "matrix": base.view(2, 5), "copy": base.clone(), "tied": model.state_dict(),
            "parameters": list(model.parameters())}


def module():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    model(torch.randn(8, 3))
    return model.state_dict()


def optimizers():
    result = {}
    for kind in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop, torch.optim.Adagrad, torch.optim.Adadelta, torch.optim.NAdam, torch.optim.LBFGS):
        model = torch.nn.Linear(3, 2)
        optimizer = kind(model.parameters(), **({"lr": 0.1, "momentum": 0.9} if kind is torch.optim.SGD else {}))
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)

        def closure():
            optimizer.zero_grad()
            loss = model(torch.ones(4, 3)).pow(2).sum()
            loss.backward()
            return loss

        for _ in range(3):
            optimizer.step(closure)
            scheduler.step()
        result[kind.__name__] = optimizer.state_dict()
        result[kind.__name__ + " scheduler"] = {k: v for k, v in scheduler.state_dict().items() if isinstance(v, (int, float, list))}
    return result


def arrays():
    grid = numpy.arange(12.0).reshape(3, 4)
    kinds = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
    return {
        "kinds": [numpy.arange(6).astype(k).reshape(2, 3) for k in kinds], "big-endian": [numpy.arange(6).astype(">" + k) for k in ("i4", "f8", "c8", "u2")],
        "fortran": numpy.asfortranarray(grid), "transposed": grid.T, "no dimension": numpy.array(3.5), "no element": numpy.zeros((2, 0, 3), "f4"),
        "scalars": [numpy.dtype(k).type(1) for k in kinds] + [numpy.float64(-0.0), numpy.int64(-2**63), numpy.uint64(2**64 - 1), numpy.str_("ü"), numpy.bytes_(b"x")],
        "random": ["MT19937", *numpy.random.RandomState(7).get_state()[1:]],
    }


def attributes():
    tensor = torch.ones(3)
    tensor.is_sharded = True
    return {"tensor": tensor, "parameter": torch.nn.Parameter(torch.randn(2, 2), requires_grad=False), "graph": torch.ones(2, requires_grad=True)}


FIXTURES = {
    "values": values, "views": views, "sharing": sharing, "module": module, "optimizers": optimizers, "arrays": arrays, "attributes": attributes,
    "types": lambda: {str(t): random(t, 3, 5) for t in TYPES} | {str(t) + " view": random(t, 4, 6).t() for t in TYPES},
    "empty": lambda: {"none": torch.zeros(0), "no rows": torch.zeros(0, 3), "no columns": torch.zeros(3, 0, 2, dtype=torch.int16), "single": torch.tensor(2.5), "cut": torch.ones(5)[5:],
                      "inner of none": torch.empty(2, 0, 4)[:, :, 1], "column of none": torch.zeros(0, 3, dtype=torch.float64)[:, 2]},
    "meta": lambda: {"tensor": torch.empty(3, 4, device="meta"), "parameter": torch.nn.Parameter(torch.empty(2, device="meta"))},
    "dtypes": lambda: sorted({value for value in vars(torch).values() if isinstance(value, torch.dtype)}, key=str),
    "tensor": lambda: torch.randn(2, 3), "scalar": lambda: 7, "list": lambda: [torch.zeros(1), 2], "storage": lambda: [torch.arange(4.0).storage()],
    "sparse": lambda: {"sparse": torch.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3))},
    "random": lambda: {"torch": torch.get_rng_state(), "python": __import__("random").getstate()},
}


def main(folder):
    torch.manual_seed(3)
    for name, make in FIXTURES.items():
        value = make()
        torch.save(value, os.path.join(folder, f"{name}.pt"))
        for protocol in (1, 3, 4, 5):
            torch.save(value, os.path.join(folder, f"{name}.protocol{protocol}.pt"), pickle_protocol=protocol)
        torch.save(value, os.path.join(folder, f"{name}.legacy.pt"), _use_new_zipfile_serialization=False)
        with open(os.path.join(folder, f"{name}.pickle.pt"), "wb") as file:
            pickle.dump(value, file, protocol=2)
        with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(Description().of(value), file)
    torch.save(torch.nn.Linear(2, 3), os.path.join(folder, "whole module.pt"))
    torch.save(torch.nn.Linear(2, 3), os.path.join(folder, "whole module.legacy.pt"), _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), os.path.join(folder, "program.pt"))
    torch.save({"q": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, os.path.join(folder, "quantized.pt"))
    print("\n".join(FIXTURES))


if __name__ == "__main__":
    main(sys.argv[1])
