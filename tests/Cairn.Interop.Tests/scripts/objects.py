"""Files that hold objects, as programs save them: whole modules with their state_dict beside, and values with their text beside."""
import argparse, collections, datetime, decimal, enum, fractions, functools, io, json, os, pathlib, sys, types, uuid
import dataclasses
import torch
from torch import nn


class Kind(enum.Enum):
    TRAIN = "train"


@dataclasses.dataclass
class Config:
    lr: float = 0.1
    path: pathlib.PurePosixPath = pathlib.PurePosixPath("a/b")


class Parent(nn.Module):
    """A buffer that is not persistent, one that is, a tied parameter, a module that is None, a module that knows its parent by a list."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.out = nn.Linear(3, 5, bias=False)
        self.out.weight = self.embed.weight
        self.register_buffer("mask", torch.ones(3), persistent=False)
        self.register_buffer("scale", torch.arange(3.0).bfloat16())
        self.register_buffer("nothing", None)
        self.gone = None
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), nn.Identity()])
        self.again = self.blocks[0][0]
        self.blocks[0].owner = [self]
        self.frozen = nn.Parameter(torch.randn(2), requires_grad=False)
        self.options = Config()


def modules():
    torch.manual_seed(5)
    yield "parent", Parent()
    yield "lstm", nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    yield "transformer", nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2)
    yield "attention", nn.MultiheadAttention(8, 2, kdim=4, vdim=4)
    yield "parallel", nn.DataParallel(nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2), nn.PReLU()))
    yield "double", nn.Linear(2, 2).double()


def values():
    zone = datetime.timezone(datetime.timedelta(hours=-5, minutes=-30))
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=zone)
    number = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")
    paths = [pathlib.PurePosixPath("/"), pathlib.PurePosixPath("/x/y"), pathlib.PurePosixPath("."), pathlib.PureWindowsPath("c:/a/b"), pathlib.Path("runs") / "1"]
    plain = [(path, str(path)) for path in paths]
    plain += [(value, value.isoformat()) for value in (moment, moment.replace(tzinfo=None), moment.date(), moment.time(), moment.timetz(), datetime.datetime(1, 1, 1, fold=1))]
    plain += [(zone, str(zone)), (number, str(number)), (decimal.Decimal("1.50"), "1.50"), (fractions.Fraction(2, 6), "1/3"), (torch.device("cuda:1"), "cuda:1"), (torch.bfloat16, "torch.bfloat16")]
    plain += [(datetime.timedelta(days=-1, seconds=3, microseconds=5), datetime.timedelta(days=-1, seconds=3, microseconds=5).total_seconds())]
    plain += [(argparse.Namespace(a=1, b=[2]), {"a": 1, "b": [2]}), (types.SimpleNamespace(c=None), {"c": None}), (collections.deque([1, 2], maxlen=3), [1, 2])]
    plain += [(range(1, 7, 2), {"start": 1, "stop": 7, "step": 2}), (slice(None, 3), {"start": None, "stop": 3, "step": None})]
    # Bytes are said as lists of numbers.
    plain += [(io.BytesIO(b"\x00\xff"), [0, 255]), (bytearray(b"ab"), [97, 98])]
    opaque = [Kind.TRAIN, Config(), functools.partial(print, 1), nn.functional.relu, nn.MSELoss(), torch.eye(2).to_sparse(), torch.ones(2, device="meta"),
              torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), torch.quantize_per_channel(torch.ones(2, 2), torch.tensor([0.1, 0.2]), torch.tensor([0, 1]), 0, torch.quint8)]
    try:
        import numpy
        plain += [(numpy.dtype("float32"), "<f4"), (numpy.float32(0.5), 0.5)]
        opaque += [numpy.array(["a", None], dtype=object), numpy.datetime64("2026-01-02"), numpy.random.RandomState(3), numpy.random.default_rng(3)]
    except ImportError:
        pass
    return plain, opaque


def main(folder):
    for name, module in modules():
        expected = dict(module.state_dict())
        torch.save(expected, os.path.join(folder, f"{name}.expected.pt"))
        for protocol in (2, 4):
            torch.save(module, os.path.join(folder, f"{name}.protocol{protocol}.pt"), pickle_protocol=protocol)
        torch.save({"model": module, "epoch": 3}, os.path.join(folder, f"{name}.beside.pt"))
        torch.save(module, os.path.join(folder, f"{name}.legacy.pt"), _use_new_zipfile_serialization=False)
    plain, opaque = values()
    for protocol in (2, 5):
        torch.save({"model": {"w": torch.ones(2)}, "plain": [value for value, _ in plain], "opaque": opaque}, os.path.join(folder, f"values.protocol{protocol}.pt"), pickle_protocol=protocol)
    with open(os.path.join(folder, "plain.json"), "w", encoding="utf-8") as file:
        json.dump([text for _, text in plain], file)
    print(len(opaque))


if __name__ == "__main__":
    main(sys.argv[1])
