"""Writes the seeds of the fuzz targets that only PyTorch 2 can make into a folder: a program of TorchScript, and a tensor that knows its mesh."""
import os
import pathlib
import sys

import torch
import torch.distributed
import torch.distributed.tensor

folder = pathlib.Path(sys.argv[1])
torch.manual_seed(1)
torch.jit.save(torch.jit.script(torch.nn.Linear(3, 2)), folder / "linear.torchscript")

os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0", RANK="0", WORLD_SIZE="1")
torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (1,))
shard = torch.distributed.tensor.distribute_tensor(torch.randn(4, 3), mesh, [torch.distributed.tensor.Shard(0)])
torch.save({"model": {"weight": shard, "bias": torch.randn(3)}}, folder / "mesh.dtensor")
torch.distributed.destroy_process_group()
