"""Writes a file of more than 4 GiB: a tensor of zeros and a last 7, and a small one behind it."""
import sys

import numpy
import torch

SIZE = (4 << 30) + (64 << 20)
# numpy's zeros are never touched, and so take no memory.
large = torch.from_numpy(numpy.zeros(SIZE, numpy.uint8))
large[-1] = 7
torch.save({"large": large, "after": torch.arange(5)}, sys.argv[1])
print(SIZE)
