"""Loads the states of optimizers as they came back from Cairn, and says which optimizers then have another state than PyTorch saved.

optimizers_again.py SAVED AGAIN    both hold a dict of state_dicts by the optimizer's class
"""
import sys

import torch

saved, again = (torch.load(path) for path in sys.argv[1:])


def same(one, other):
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


for name, state in saved.items():
    if name.endswith(" scheduler"):
        continue
    optimizer = getattr(torch.optim, name)(torch.nn.Linear(3, 2).parameters(), lr=123.0)
    optimizer.load_state_dict(again[name])
    print(name, "same" if state["state"] and same(state, optimizer.state_dict()) else "differs")
