"""Casts a tensor of every interesting single to the types named and saves the results: cast.py OUT TYPE…"""
import sys

import torch

path, *types = sys.argv[1:]
generator = torch.Generator().manual_seed(1)
bits = torch.randint(-(2**31), 2**31 - 1, (200_003,), dtype=torch.int64, generator=generator).to(torch.int32)
near = (torch.rand(100_001, generator=generator) - 0.5) * 2 ** (torch.rand(100_001, generator=generator) * 60 - 40)
singles = torch.cat([bits.view(torch.float32), near])
torch.save({"float32": singles, **{t: singles.to(getattr(torch, t)) for t in types}}, path)
