"""Saves tensors with torch.save, once for each line on standard input, and prints the seconds.

torch_save.py FILE BYTES...    a line is `durable` (with fsync) or `buffered`; the file is removed before each save
"""
import os
import sys
import time

import torch

path = sys.argv[1]
state = {f"layers.{i}.weight": torch.rand(int(size) // 4) for i, size in enumerate(sys.argv[2:])}
print(torch.__version__, flush=True)
for line in sys.stdin:
    if os.path.exists(path):
        os.remove(path)
    start = time.perf_counter()
    torch.save(state, path)
    if line.strip() == "durable":
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.close(file)
    print(time.perf_counter() - start, flush=True)
