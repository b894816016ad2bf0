"""Trains the small network of the tests with PyTorch, from a file or from its start, and prints the losses.

train.py go-on FOLDER    for each NAME.pt: loads model and optimizer, trains `steps` on, prints "NAME: losses", and saves both as NAME.after.pt
train.py start FOLDER    for each NAME.pt: trains `before` steps, saves both as NAME.before.pt, trains `steps` on, prints "NAME: losses"

A file holds: model, optimizer (go-on only), optimizer_class, arguments, groups, inputs, targets, before, steps.
"""
import collections
import glob
import os
import sys
import warnings

import torch

warnings.simplefilter("ignore")
torch.set_num_threads(1)
VERSION = tuple(int(number) for number in torch.__version__.split("+")[0].split(".")[:2])


def load(path):
    # The restricted unpickler of 1.13 takes no floats; newer ones must take all of this.
    return torch.load(path, weights_only=VERSION >= (2, 0))


def network():
    return torch.nn.Sequential(
        collections.OrderedDict(
            [("norm", torch.nn.BatchNorm1d(4)), ("first", torch.nn.Linear(4, 8)), ("act", torch.nn.Tanh()), ("second", torch.nn.Linear(8, 1))]
        )
    )


def train(model, optimizer, case, start, count):
    losses = []
    for i in range(start, start + count):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(case["inputs"][i]), case["targets"][i])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    mode, folder = sys.argv[1:]
    for path in sorted(glob.glob(os.path.join(folder, "*.pt"))):
        case = load(path)
        name = os.path.basename(path)[: -len(".pt")]
        model = network()
        model.load_state_dict(case["model"])
        # Newer ones keep the names in the optimizer's state.
        parameters = list(model.named_parameters() if VERSION >= (2, 6) else model.parameters())
        if case["groups"]:
            parameters = [{"params": parameters[:2]}, {"params": parameters[2:], "lr": 0.003}]
        maker = getattr(torch.optim, case["optimizer_class"])
        before, steps = case["before"], case["steps"]
        if mode == "go-on":
            # Nothing of this may count: all options come from the file.
            optimizer = maker(parameters, lr=123.0)
            optimizer.load_state_dict(case["optimizer"])
            losses = train(model, optimizer, case, before, steps)
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, os.path.join(folder, name + ".after.pt"))
        else:
            optimizer = maker(parameters, **case["arguments"])
            train(model, optimizer, case, 0, before)
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, os.path.join(folder, name + ".before.pt"))
            losses = train(model, optimizer, case, before, steps)
        print(name + ":", " ".join(repr(loss) for loss in losses))


main()
