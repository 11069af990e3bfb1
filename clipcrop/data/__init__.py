"""Data sets of crops: readers of what is published, a checker, and texts where there are none.

examples    `Example`: a photo, what is asked for, its crops; what every reader gives
jsonl       our own format, one JSON object a line
"""

from .examples import Example, RatedCrop
from .jsonl import read_jsonl, write_jsonl

__all__ = ["Example", "RatedCrop", "read_jsonl", "write_jsonl"]
