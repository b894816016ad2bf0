"""States of numpy's and Python's random generators and a text that is no Unicode: saved, and loaded again from a conversion."""
import json, os, random, sys
import numpy
import torch

NAME = os.fsdecode(b"caf\xe9.txt")


def draws():
    return [numpy.random.rand(3).tolist(), random.random()]


def main(verb, folder):
    if verb == "save":
        numpy.random.seed(5), random.seed(6)
        numpy.random.rand(7)
        saved = {"model": {"w": torch.ones(2)}, "numpy": numpy.random.get_state(), "python": random.getstate(), "words": numpy.array([1, 2**63 + 1], dtype=numpy.uint64), "path": NAME, "of": {NAME: 1}}
        torch.save(saved, os.path.join(folder, "generators.pt"))
        with open(os.path.join(folder, "draws.json"), "w", encoding="utf-8") as file:
            json.dump(draws(), file)
        return
    saved = torch.load(os.path.join(folder, "converted.pt"))["context"]
    numpy.random.set_state(saved["numpy"])
    version, words, gauss = saved["python"]
    random.setstate((version, tuple(words), gauss))
    with open(os.path.join(folder, "draws.json"), encoding="utf-8") as file:
        assert json.load(file) == draws()
    assert saved["words"] == [1, 2**63 + 1]
    assert saved["path"] == NAME and saved["of"] == {NAME: 1}
    print(torch.__version__)


if __name__ == "__main__":
    main(*sys.argv[1:])
