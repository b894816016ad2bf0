"""Takes over what the tests saved, with PyTorch's own load_state_dict, and saves it again as people do.

weights.py FOLDER    reads model.pt and optimizer.pt; writes back.pt, wrapped.pt (names of DataParallel, under a key), brain.pt (bfloat16), both.pt and optimizer-back.pt
"""
import collections
import os
import sys
import warnings

import torch

warnings.simplefilter("ignore")
torch.set_num_threads(1)
VERSION = tuple(int(number) for number in torch.__version__.split("+")[0].split(".")[:2])
folder = sys.argv[1]


def load(name):
    # The restricted unpickler of 1.13 takes no floats; newer ones must take all of this.
    return torch.load(os.path.join(folder, name), weights_only=VERSION >= (2, 0))


def save(value, name):
    torch.save(value, os.path.join(folder, name))


model = torch.nn.Sequential(
    collections.OrderedDict([("norm", torch.nn.BatchNorm1d(4)), ("first", torch.nn.Linear(4, 8)), ("act", torch.nn.Tanh()), ("second", torch.nn.Linear(8, 1))])
)
model.load_state_dict(load("model.pt"))
optimizer = torch.optim.AdamW(model.parameters(), lr=123.0)
optimizer.load_state_dict(load("optimizer.pt"))
save(model.state_dict(), "back.pt")
save({"epoch": 3, "state_dict": torch.nn.DataParallel(model).state_dict()}, "wrapped.pt")
save({name: tensor.bfloat16() if tensor.is_floating_point() else tensor for name, tensor in model.state_dict().items()}, "brain.pt")
save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, "both.pt")
save(optimizer.state_dict(), "optimizer-back.pt")
