"""Data sets of crops: readers of what is published, a checker, and texts where there are none.

examples    `Example`: a photo, what is asked for, its crops; what every reader gives
sets        reads any set: finds out which of these it is
jsonl       our own format, one JSON object a line
gaicd       rated grid crops, both published versions; texts: ClipCrop's texts for it, and captions
flms, fcdb  one or more people's crops, without texts
labelme     crops that people drew for texts: Horanyi-PR, TextCrop
check       what is missing or odd in a set
caption     texts by a captioning model
"""

from .examples import Example, RatedCrop
from .jsonl import read_jsonl, write_jsonl
from .sets import read_set

__all__ = ["Example", "RatedCrop", "read_jsonl", "read_set", "write_jsonl"]
