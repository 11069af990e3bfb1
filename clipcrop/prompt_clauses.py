"""A prompt -> what it asks for and what it excludes, as clauses for the parser.

Cues ("without", "but not", "except") are found by pattern, because the parser was trained on
full sentences and often attaches them to the wrong word of a fragment.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple


class Clauses(NamedTuple):
    """A prompt, taken apart; everything is in lower case."""

    wanted: str
    """What to look for, without commands and "a photo of"; empty if there is only an exclusion."""

    excluded: tuple[str, ...]
    """What to avoid, without the words that say so."""


_DETERMINER = (
    r"(?:the|a|an|my|your|her|his|their|our|its|this|that|these|those"
    r"|all|both|some|several|two|three|four|five|six|every|everyone)"
)
_PEOPLE_FREE = re.compile(r"\b(?:with |and )?(?:no one|no-one|nobody|noone)\b(?! but| except)")
_NOTHING_BUT = re.compile(r"\b(?:nothing|no one|nobody|none) (?:but|except)(?: for)?\b")
_ALL_BUT = re.compile(
    r"\b(everything|everyone|everybody|anything|anyone|all) (?:but|besides|except)(?: for)?\b"
)
_DOUBLE_NEGATIVE = re.compile(
    r"\b(?:do not|don't|dont|never|without) (?:cut|crop|chop|remov|los|exclud|hid|ignor|leav)"
    r"(?:e|ing|ting|ping|ping)?(?: off| out| away)?\b"
)
_CUE = re.compile(
    r"""
    \b(?:and\ |but\ |or\ )?(?:
        (?:do\ not|don't|dont|never)\ (?:include|show|want|have|keep|contain|like|focus\ on)
        | (?:i|we)\ (?:do\ not|don't|dont)\ (?:want|need|like)(?:\ to\ (?:see|have|show))?
        | without | w/o | minus | sans | excluding | excepting | except(?:\ for)?
        | other\ than | aside\ from | apart\ from | leaving\ out | cropping\ out | cutting\ out
        | none\ of | neither | nor | zero | avoiding | omitting
        | not(?!\ only|\ just|\ too|\ sure|\ a\ big)
        | no(?!\ (?:parking|entry|smoking|stopping|matter|doubt|longer|surprise|idea|way)\b)
    )\b(?:\ any\b)?
    | (?:^|(?<=[,;.!?]\ )|\b(?:and|but|then|please|also|to)\ )
      (?:exclude|omit|avoid|ignore|remove|leave\ out|cut\ out|crop\ out|get\ rid\ of|drop
        | hide(?=\ (?:the|a|an|any|all|my|that|this|those|these)\b))\b
    """,
    re.VERBOSE,
)
_CLAUSE_END = re.compile(
    r"\s*[;.!?]+(?:\s+|$)"
    r"|\s*,\s*(?:but |and )?(?=(?:just|only|keep|show|focus|crop|include|with|zoom)\b)"
    r"|\s+(?:but|and|just) (?=(?:just|only|keep|show|focus|crop|include|zoom|with)\b)"
    r"|\s+but (?=(?:the|a|an|my|her|his)\b)"
)
_LIST_BREAK = re.compile(
    rf"[.;!?]\s+|,\s*(?:and |or |but )?(?=(?:{_DETERMINER}|\d+)\b)",
)
_OR_LIST = re.compile(r"\b(?:or|nor)\b")

_IMAGE_WORDS = r"(?:image|photo|photograph|picture|pic|shot|frame|crop|view)"
_COMMANDS = [
    re.compile(pattern)
    for pattern in (
        r"^(?:please|ok|okay|hey|hi|just|only|now|then|and|but|also|so|maybe|or|,)\s+",
        r"^(?:can|could|would|will) (?:you|we|i)\s+",
        r"^let'?s\s+",
        r"^(?:i|we)(?: would|'d| d)? (?:just |only |really )?(?:want|need|like|wanna|prefer)"
        r"(?: you)?(?: to)?\s+",
        r"^make sure(?: that)?(?: you| to)*\s+",
        rf"^(?:crop|cut|trim|zoom|focus|concentrate|tighten|cent(?:er|re)|close)"
        rf"(?: (?:the|this|that|my|it|{_IMAGE_WORDS}|in|tight|tightly|tighter|close|closely"
        rf"|closer|down|only|just|mainly))*"
        rf" (?:to|on|onto|around|at|into|upon|so)(?: show| include| keep)?(?: just| only)?\s+",
        rf"^(?:crop|cut|trim|frame|focus|cent(?:er|re)|feature|place|put|pick|use|take|make|capture)"
        rf" (?={_DETERMINER}\b)",
        r"^(?:keep|show|give|get|find|select|choose|include|highlight|emphasi[sz]e|isolate"
        r"|prioriti[sz]e|see|locate|detect|have|preserve|look at|look for|search for|want|need)"
        r"(?: me| us)?(?: only| just)?\s+",
        r"^there (?:is|are)\s+",
        r"^(?:this|it|here) (?:is|are)\s+",
        # "a black and white photo of": words, none of them a preposition, then a word for images
        r"^(?:(?!(?:in|on|at|with|of|by|near|next|from|under|behind)\b)[\w'-]+ ){0,5}?"
        r"(?:photo|photograph|picture|image|pic|shot|snapshot|close[- ]?up|view|portrait|scene"
        r"|crop|detail|selfie|background|foreground)s? (?:of|showing|containing|featuring)\s+",
    )
]
_STOCK_PHOTO = re.compile(r"\bstock (?:photo|image|picture)s?$")
_TRAILING = re.compile(r"(?:[\s,;:.!?]|\b(?:please|thanks|thank you|and|but|or|with)$)+$")


def normalise(prompt: str) -> str:
    """Make a prompt readable for the parser: one line, lower case, emoji as words."""
    words = unicodedata.normalize("NFKC", prompt).replace("\u2019", "'").replace("\u2018", "'")
    characters: list[str] = []
    follows_symbol = False
    for character in words:
        category = unicodedata.category(character)
        if character in "\r\n\v\f":
            characters.append(", ")  # lines of a prompt are a list
        elif category == "So":
            characters.append(f"{', ' if follows_symbol else ' '}{_symbol_name(character)} ")
        elif category in ("Cc", "Zl", "Zp") or character in '"\u201c\u201d*_`#<>|[](){}\\~^=':
            characters.append(" ")
        elif category not in ("Cf", "Cs", "Co", "Cn", "Sk", "Me") and character != "\ufe0f":
            characters.append(character)
        follows_symbol = category == "So" or (follows_symbol and category in ("Cf", "Sk", "Mn"))
    line = "".join(characters).lower()
    line = re.sub(r"\s*[&+]\s*", " and ", line)
    line = re.sub(r"(?<=\w\w)/(?=\w\w)", " and ", line)
    line = re.sub(r"\s+", " ", line)
    line = re.sub(r"(?:\s*,)+", ",", line)
    return line.strip(" ,")


def _symbol_name(symbol: str) -> str:
    """A word for an emoji ("dog"); faces of animals mean the animal."""
    name = unicodedata.name(symbol, "").lower()
    is_animal = 0x1F400 <= ord(symbol) <= 0x1F43F or 0x1F980 <= ord(symbol) <= 0x1F9AE
    if ord(symbol) < 0x1F300:
        return ""  # dingbats, arrows and signs name nothing that is in photos
    return name.removesuffix(" face") if is_animal else name


def split_clauses(line: str) -> Clauses:
    """Tell what is wanted from what is excluded.

    Args:
        line: a prompt after `normalise`.
    """
    line = _DOUBLE_NEGATIVE.sub("keep", line)
    line = _NOTHING_BUT.sub("only", line)
    line = _ALL_BUT.sub(r"\1 except", line)
    line = _PEOPLE_FREE.sub("without people", line)

    wanted: list[str] = []
    excluded: list[str] = []
    position = 0
    has_wanted = False
    while cue := _CUE.search(line, position):
        wanted.append(line[position : cue.start()])
        has_wanted = has_wanted or bool(_tidy_wanted(wanted[-1]))
        end = _exclusion_end(line, cue.end(), has_wanted=has_wanted)
        excluded.append(line[cue.end() : end])
        position = end
    wanted.append(line[position:])
    parts = [part for part in map(_tidy_wanted, wanted) if part]
    return Clauses(
        wanted=", ".join(parts),
        excluded=tuple(part for part in map(_tidy, excluded) if part),
    )


def split_list(clause: str) -> list[str]:
    """A clause's sentences, and the members of its lists that have their own determiner.

    The parser loses the members of a list in a fragment; adjectives ("a big, brown dog") stay
    together.
    """
    return [part for part in map(_tidy, _LIST_BREAK.split(clause)) if part]


def strip_cues(line: str) -> str:
    """What an exclude field names, where it was filled in as "without the car"."""
    return _tidy(_CUE.sub("", line))


def _exclusion_end(line: str, start: int, *, has_wanted: bool) -> int:
    """Where an exclusion that starts at `start` ends.

    A comma ends it ("no cars, the dog") unless it goes on as a list: after something wanted
    ("the dog, without the car, the bin and the man") or with "or" ("no cars, bins or people").
    """
    end = len(line)
    if clause_end := _CLAUSE_END.search(line, start):
        end = clause_end.start()
    if cue := _CUE.search(line, start):
        end = min(end, cue.start())
    comma = line.find(",", start, end)
    if comma >= 0 and not has_wanted and not _OR_LIST.search(line, comma, end):
        end = comma
    return end


def _tidy_wanted(clause: str) -> str:
    """Take the commands and "a photo of" off the front, again and again."""
    clause = _tidy(_STOCK_PHOTO.sub("", clause))
    previous = ""
    while clause != previous:
        previous = clause
        for command in _COMMANDS:
            clause = command.sub("", clause, count=1)
    return _tidy(clause)


def _tidy(clause: str) -> str:
    clause = clause.strip(" ,;:.!?-")
    return _TRAILING.sub("", clause).strip()
