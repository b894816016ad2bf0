"""Writes model files as FSDP's SHARDED_STATE_DICT gives them to two ranks: torch.save of real ShardedTensors, of PyTorch 2.6.

Usage: make_fsdp.py OUT     needs PyTorch with gloo; the files are committed, since PyTorch 1.13 cannot make them under Python 3.11.
"""
import os
import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def tensors():
    return {"tok_embeddings.weight": torch.arange(20.0).view(5, 4), "norm.weight": torch.arange(3.0), "output.weight": torch.arange(12).view(3, 4).bfloat16()}


def run(rank, out, world):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29513", USE_LIBUV="0")
    dist.init_process_group("gloo", rank=rank, world_size=world)
    from torch.distributed.fsdp._shard_utils import _create_chunk_sharded_tensor
    group = dist.distributed_c10d._get_default_group()
    torch.save({name: _create_chunk_sharded_tensor(tensor, rank, world, 1, group, torch.device("cpu")) for name, tensor in tensors().items()},
               os.path.join(out, f"model_tp0_pp0_dp{rank}.pt"))
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(run, (sys.argv[1], 2), 2)
