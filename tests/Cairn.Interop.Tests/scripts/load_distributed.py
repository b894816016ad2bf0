"""Loads a distributed checkpoint with PyTorch's own loader in one process, and prints what it got: a line of JSON for each name of `.metadata`.

    load_distributed.py FOLDER

A tensor is its type, its shape and the SHA-256 of its bytes; any other value is its repr.
"""
import hashlib
import json
import sys

import torch

try:
    import torch.distributed.checkpoint as checkpoint
    planner = {"planner": checkpoint.DefaultLoadPlanner(flatten_state_dict=False, flatten_sharded_tensors=False)}
except ImportError:
    # PyTorch 1.13 has it as a prototype under another name, with a view of a part of a file that ends behind it.
    import prototype
    import io
    import torch.distributed._shard.checkpoint as checkpoint
    for module in ("", ".metadata", ".filesystem"):
        sys.modules["torch.distributed.checkpoint" + module] = sys.modules["torch.distributed._shard.checkpoint" + module]
    checkpoint.FileSystemReader._slice_file = lambda self, file, info: (file.seek(info.offset), io.BytesIO(file.read(info.length)))[1]
    planner = {}

from torch.distributed.checkpoint.metadata import BytesStorageMetadata

reader = checkpoint.FileSystemReader(sys.argv[1])
metadata = reader.read_metadata()
state = {
    name: None if isinstance(item, BytesStorageMetadata) else torch.full(item.size, 0, dtype=item.properties.dtype)
    for name, item in metadata.state_dict_metadata.items()
}
checkpoint.load_state_dict(state, reader, no_dist=True, **planner)
for name, value in state.items():
    if isinstance(value, torch.Tensor):
        data = value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        described = [str(value.dtype), list(value.shape), hashlib.sha256(data).hexdigest()]
    else:
        described = repr(value)
    print(json.dumps([name, list(metadata.planner_data[name]), described]))
