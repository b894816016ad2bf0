"""Says of a file which values are one object, and what JSON cannot hold."""
import sys

import torch

value = torch.load(sys.argv[1], weights_only=True)
deep = value["deep"]
levels = 0
while isinstance(deep, tuple):
    assert deep[0] is deep[1], "two values were one"
    deep = deep[0]
    levels += 1
print("levels", levels, deep)
print("tied", value["tied"] is value["tied too"])
print("surrogate", [hex(ord(letter)) for letter in value["surrogate"]])
print("default", type(value["default"]).__name__, value["default"])
