"""Saves a distributed checkpoint from one process into the folder given."""
import sys

import torch

try:
    from torch.distributed.checkpoint import FileSystemWriter, save_state_dict
except ImportError:
    # PyTorch 1.13 has it as a prototype.
    import prototype
    from torch.distributed._shard.checkpoint import FileSystemWriter, save_state_dict

state = {
    "weight": torch.arange(12, dtype=torch.float32).reshape(3, 4),
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "turned": torch.arange(6, dtype=torch.int64).reshape(2, 3).t(),
    "scalar": torch.tensor(2.5, dtype=torch.float64),
    "step": 7,
    "name": "tiny",
}
save_state_dict(state, FileSystemWriter(sys.argv[1]), no_dist=True)
print("torch", torch.__version__)
