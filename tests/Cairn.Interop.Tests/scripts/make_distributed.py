"""Makes fixtures/distributed: a distributed checkpoint of four ranks. Needs PyTorch 2.6 with gloo.

    cd tests/Cairn.Interop.Tests/fixtures && python3 ../scripts/make_distributed.py

The four ranks form a mesh of two by two. `box` is cut along both dimensions, `rows` along the first into uneven parts, `columns` along the second.
"""
import os
import shutil

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as checkpoint
import torch.multiprocessing as processes
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

FOLDER = "distributed"


def counting(*shape, dtype=torch.float32):
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape).to(dtype)


def save(rank, world):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29513", USE_LIBUV="0", GLOO_SOCKET_IFNAME="lo")
    dist.init_process_group("gloo", rank=rank, world_size=world)
    mesh = init_device_mesh("cpu", (2, 2))
    state = {
        "model": {
            "box": distribute_tensor(counting(4, 6), mesh, [Shard(0), Shard(1)]),
            "rows": distribute_tensor(counting(5, 2, dtype=torch.bfloat16), mesh, [Shard(0), Replicate()]),
            "columns": distribute_tensor(counting(3, 4, dtype=torch.int64), mesh, [Replicate(), Shard(1)]),
            "scalar": torch.tensor(2.5, dtype=torch.float64),
        },
        "optimizer": {"param_groups": [{"lr": 0.5, "betas": (0.9, 0.95)}]},
        "epoch": 3,
    }
    checkpoint.save(state, checkpoint_id=FOLDER)
    dist.destroy_process_group()


if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    processes.spawn(save, args=(4,), nprocs=4)
