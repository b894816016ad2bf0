"""Loads a file in several ways and prints each time what it holds, as a line of JSON.

describe.py FILE AGAIN MODE...    a mode is `plain`, `weights_only`, `mmap` or two of them with a comma; AGAIN is written with torch.save, unless it is `-`
"""
import json
import sys
import warnings

import torch

from values import Description

warnings.simplefilter("ignore")


def main():
    path, again, *modes = sys.argv[1:]
    for mode in modes:
        words = mode.split(",")
        options = {"weights_only": "weights_only" in words}
        if "mmap" in words:
            options["mmap"] = True
        value = torch.load(path, **options)
        print(json.dumps(Description().of(value)))
    if again != "-":
        torch.save(value, again)


main()
