"""One of PyTorch's ways to save, driven by lines on standard input; an answer is a line of JSON.

peer.py torch|safetensors|dcp|dcp-async FOLDER ELEMENTS...     the state: one float32 parameter for each number

A copy is a file or folder in FOLDER, made durable; the one before the last two is deleted, in the time that is measured.
"""
import gc
import json
import os
import shutil
import sys
import time
import warnings

import safetensors
import safetensors.torch
import torch
import torch.distributed.checkpoint as dcp

kind, folder, elements = sys.argv[1], sys.argv[2], [int(number) for number in sys.argv[3:]]
answers = os.fdopen(os.dup(1), "w")
sys.stdout = sys.stderr
warnings.simplefilter("ignore")
copies = 0


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        for i, count in enumerate(elements):
            self.register_parameter(f"weight_{i}", torch.nn.Parameter(torch.rand(count)))


model = Model()


def path_of(copy):
    return os.path.join(folder, str(copy))


def sync(path):
    if os.path.isdir(path):
        for entry in os.scandir(path):
            sync(entry.path)
    for name in (path, os.path.dirname(path)):
        descriptor = os.open(name, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def delete(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.remove(path)


def complete():
    sync(path_of(copies))
    delete(path_of(copies - 2))


def write(path):
    if kind == "torch":
        torch.save(model.state_dict(), path)
    elif kind == "safetensors":
        safetensors.torch.save_file(model.state_dict(), path)
    else:
        dcp.save(model.state_dict(), checkpoint_id=path)


def save():
    global copies
    copies += 1
    start = time.perf_counter()
    write(path_of(copies))
    complete()
    return {"ms": 1e3 * (time.perf_counter() - start)}


def negate():
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.neg_()


def save_async(clone=False):
    """Training goes on while the copy is written, and changes every value; the copy must have those of before."""
    global copies
    copies += 1
    with torch.no_grad():
        for parameter in model.parameters():
            parameter[0] = copies
    start = time.perf_counter()
    state = {name: tensor.clone() if clone else tensor for name, tensor in model.state_dict().items()}
    saved = dcp.async_save(state, checkpoint_id=path_of(copies))
    stall = time.perf_counter() - start
    negate()
    saved.result()
    del state
    complete()
    durable = time.perf_counter() - start
    found = {name: torch.empty_like(tensor) for name, tensor in model.state_dict().items()}
    dcp.load(found, checkpoint_id=path_of(copies))
    negate()
    right = all(torch.equal(found[name], tensor) for name, tensor in model.state_dict().items())
    return {"stall": 1e3 * stall, "ms": 1e3 * durable, "right": right}


def digest():
    return [int(parameter.detach().view(torch.int32).sum()) for parameter in model.parameters()]


def load(mmap=False):
    """Into the live parameters."""
    path = path_of(copies)
    before = digest()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    start = time.perf_counter()
    if kind == "torch":
        model.load_state_dict(torch.load(path, mmap=mmap))
    elif kind == "safetensors":
        model.load_state_dict(safetensors.torch.load_file(path))
    else:
        dcp.load(model.state_dict(), checkpoint_id=path)
    elapsed = time.perf_counter() - start
    gc.collect()
    return {"ms": 1e3 * elapsed, "right": digest() == before}


def answer(value):
    print(json.dumps(value), file=answers, flush=True)


operations = {
    "save": save,
    "save-async": save_async,
    "save-async-clone": lambda: save_async(clone=True),
    "load": load,
    "load-mmap": lambda: load(mmap=True),
    "newest": lambda: {"path": path_of(copies)},
}
os.makedirs(folder, exist_ok=True)
answer({"version": f"safetensors {safetensors.__version__}" if kind == "safetensors" else f"PyTorch {torch.__version__}"})
for line in sys.stdin:
    if line.strip() == "quit":
        break
    answer(operations[line.strip()]())
