"""Loads a file with a tensor `large` over 4 GiB of bytes and one `after` it; prints the bytes that are not 0 and the second one.

large.py FILE [mmap]
"""
import sys

import torch

file, *words = sys.argv[1:]
options = {"mmap": True} if "mmap" in words else {}
value = torch.load(file, weights_only=True, **options)
large = value["large"]
print(large.dtype, list(large.shape), value["after"].tolist())
step = 1 << 28
for start in range(0, large.numel(), step):
    part = large[start : start + step]
    if part.any():
        places = part.nonzero().flatten()
        print(*[f"{start + int(place)}={int(part[place])}" for place in places])
