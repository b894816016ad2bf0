"""Lets Python 3.11 import the distributed checkpoint of PyTorch 1.13, a prototype whose dataclasses it refuses: a default value must be hashable. Import it before."""
import dataclasses

_plain = dataclasses.dataclass


def _hashable(cls=None, /, **options):
    if cls is None:
        return lambda made: _hashable(made, **options)
    made = _plain(cls, **options)
    if made.__hash__ is None:
        made.__hash__ = object.__hash__
    return made


dataclasses.dataclass = _hashable
