"""Prints the version of PyTorch; with the argument `fail`, fails."""
import sys

import torch

if "fail" in sys.argv:
    sys.exit("no such luck")
print("torch", torch.__version__)
