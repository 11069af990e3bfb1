"""A prompt -> what it asks for and what it excludes, as clauses for the parser.

Cues ("without", "but not", "except") are found by pattern, because the parser was trained on
full sentences and often attaches them to the wrong word of a fragment.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from ..suggestions import Width
from .names import join_names, spell_out


class Clauses(NamedTuple):
    """A prompt, taken apart; everything is in lower case, names in it are joined."""

    wanted: str
    """What to look for, without commands and "a photo of"; empty if there is only an exclusion."""

    excluded: tuple[str, ...]
    """What to avoid, without the words that say so."""

    unused: tuple[str, ...]
    """Instructions about the crop ("rule of thirds"), spelled out."""

    width: Width | None = None
    """How much of its surroundings the crop is to show, where the prompt says so."""


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
    \b(?<!-)(?:and\ |but\ |or\ )?(?:
        (?:do\ not|don't|dont|never)\ (?:include|show|want|have|keep|contain|like|focus\ on)
        | (?:i|we)\ (?:do\ not|don't|dont)\ (?:want|need|like)(?:\ to\ (?:see|have|show))?
        | without | minus | sans | excluding | excepting | except(?:\ for)?
        | other\ than | aside\ from | apart\ from | leaving\ out | cropping\ out | cutting\ out
        | none\ of | neither | nor | avoiding | omitting
        | zero(?=\ (?:people|men|women|children|\w*[^\Wsui]s)
            (?:$|[,.;!?]|\ (?:in|on|at|and|or|near|please)\b))
        | (?:do\ )?not(?!\ only|\ just|\ too|\ sure|\ a\ big)
        | no(?!\ (?:matter|doubt|longer|surprise|idea|way|problem|thanks)\b)
    )\b(?!['-])(?:\ any\b)?
    | (?:^|(?<=[,;.!?]\ )|\b(?:and|but|then|please|also|to)\ )
      (?:exclude|omit|avoid|ignore|remove|leave\ out|cut\ out|crop\ out|get\ rid\ of
        | (?:drop|hide)(?=\ (?:the|a|an|any|all|my|that|this|those|these)\b))\b(?!['-])
    | (?:^|(?<=[\s,]))-(?=[^\W\d])
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

_AMOUNT = (
    r"(?: (?:a|bit of|little|some|more|enough|plenty of|lots of|lot of|extra|much|empty|negative"
    r"|breathing|copy|head|white|free))"
)
_SPACE = r" (?:space|room|air|headroom|margin|padding)"
_WHERE = (
    r"(?: (?:above|below|over|under|around|beside|in front of|behind)"
    r"| (?:on|to|at) (?:the |its |both |all |either )?(?:left|right|top|bottom|sides?)(?: side)?"
    r"| for (?:(?:a|the|some) )?(?:text|titles?|headlines?|copy|logos?|words|captions?))"
)
_ENDS = r"(?=$|[,.;!?]| (?:and|but|or|of|without|the|a|an|my|her|his|its|their)\b)"
_RATIO = (
    r"(?:1:1|2:1|1:2|3:2|2:3|4:3|3:4|5:4|4:5|7:5|5:7|16:9|9:16|16:10|10:16|21:9|9:21|1\.91:1"
    r"|2\.35:1|2\.39:1)"
)
_IN = r"(?:\b(?:in|as|to|at|for|with)(?: an?| the)? )?"
_INSTRUCTIONS = [
    re.compile(pattern)
    for pattern in (
        r"(?:\b(?:using|with|by|on|in|following|according to) )?(?:\bthe )?\b(?:rule of thirds?"
        r"|golden (?:ratio|spiral|section))\b(?: (?:crop|composition|framing|grid|lines)\b)?",
        rf"\b(?:leav(?:e|ing)|giv(?:e|ing)(?: it| her| him| them)?|add(?:ing)?){_AMOUNT}*{_SPACE}"
        rf"\b{_WHERE}*{_ENDS}",
        rf"\b(?:with|have|having|keep|keeping)(?:{_AMOUNT}+{_SPACE}\b{_WHERE}*|{_SPACE}\b{_WHERE}+)"
        rf"{_ENDS}",
        rf"{_IN}(?:aspect(?: ratio)?(?: of)? )?(?<![\d.:]){_RATIO}(?![\d:])"
        r"(?: (?:aspect )?(?:ratio|format|crop|frame)\b)?",
        rf"{_IN}\b(?:square|portrait|landscape|vertical|horizontal|panoramic|wide ?screen)"
        rf" (?:crop|format|orientation|mode|framing|aspect)\b{_ENDS}",
        r"(?:\b(?:for|as) )?(?:\b(?:an?|my) )?\binstagram (?:story|stories|post|reel|format)\b",
        rf"{_IN}\b\d{{3,5}} ?x ?\d{{3,5}}\b(?: ?px| pixels)?",
        r"(?<=\ball )but (?:one|two|three|four|five|a few|\d+)\b",
        r"\bbut (?:one|two|three|four|five)$",
    )
]
"""What the crop should be like, and nothing to look for."""

_WIDTHS: dict[Width, re.Pattern[str]] = {
    "wide": re.compile(
        r"\b(?:with|leaving|leave|give (?:it|her|him|them)) (?:a )?(?:lots?|plenty) of "
        rf"(?:air|space|room)\b{_WHERE}*{_ENDS}"
        r"|\b(?:in|with|showing) (?:its|her|his|their|the|all the|some of the) "
        r"(?:surroundings|environment)\b"
        r"|(?<=, )(?:very )?wide(?:ly)?(?=$|,)"
    ),
    "close": re.compile(
        r"\b(?:(?:as|in|an?) )*(?:very |extreme )?(?:tight|close)[- ]?(?:up|crop|framing)\b"
        r"(?: (?:photo|shot|view|picture|crop)\b)?(?=$|,| of\b)"
        r"|(?<=, )(?:very |really )?(?:tight|close)(?:ly)?(?=$|,)|\btightly$"
    ),
}

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


_PLAIN_SIGNS = str.maketrans("\u2018\u2019\u2010\u2011\u2013\u2212", "''----")


def normalise(prompt: str) -> str:
    """Make a prompt readable for the parser: one line, lower case, emoji as words."""
    words = unicodedata.normalize("NFKC", prompt).translate(_PLAIN_SIGNS)
    words = re.sub(r"(?<!\S)-[\"\u201c]", "-", words)  # -"traffic light"
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
    line = re.sub(r"\bw/o\b", "without", line)
    line = re.sub(r"\bw/\s*", "with ", line)
    line = re.sub(r"\s-\s", ", ", line)
    line = re.sub(r"\betc\b\.?|\b(?:e\.g\.|i\.e\.),?", ",", line)
    line = re.sub(r"\s+&\s*|\s*&\s+|(?<=\w{3})&(?=\w)|(?<=\w)&(?=\w{3})", " and ", line)
    line = re.sub(r"\s+\+\s*|(?<=\w)\+(?=\w)", " and ", line)
    line = re.sub(r"(?<=[^\W\d]{3})/(?=\w)|(?<=\w)/(?=[^\W\d]{3})", " and ", line)
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
    line, width = _take_width(line)
    line, unused = _take_instructions(join_names(line))
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
        if cue[0] == "-" and not has_wanted:  # "-cat dog": of one word, as in a search engine
            end = line.find(" ", cue.end()) if " " in line[cue.end() :] else len(line)
        else:
            end = _exclusion_end(line, cue.end(), has_wanted=has_wanted)
        excluded.append(line[cue.end() : end])
        position = end
    wanted.append(line[position:])
    parts = [part for part in map(_tidy_wanted, wanted) if part]
    return Clauses(
        wanted=", ".join(parts),
        excluded=tuple(part for part in map(_tidy, excluded) if part),
        unused=tuple(unused),
        width=width,
    )


def _take_width(line: str) -> tuple[str, Width | None]:
    """Take what says how wide the crop is to be out of a line."""
    for width, pattern in _WIDTHS.items():
        rest = pattern.sub(",", line)
        if rest != line:
            rest = re.sub(r",+ of\b", ",", rest)  # "close-up of the dog"
            return re.sub(r"\s*,[\s,]*", ", ", rest).strip(" ,"), width
    return line, None


def _take_instructions(line: str) -> tuple[str, list[str]]:
    """Take instructions out of a line.

    Returns:
        The rest, and the instructions, spelled out.
    """
    taken: list[tuple[int, str]] = []
    for instruction in _INSTRUCTIONS:
        taken += [(match.start(), match[0]) for match in instruction.finditer(line)]
        line = instruction.sub(lambda match: "," * len(match[0]), line)  # places stay
    if not taken:
        return line, []
    line = re.sub(r"\ball ,+", "all", line)  # "all but one of the dogs"
    line = re.sub(r",+ of\b", ",", line)  # "square crop of the dog"
    line = re.sub(r"\s*,[\s,]*", ", ", line)
    return line.strip(" ,"), [spell_out(text) for _, text in sorted(taken)]


def split_list(clause: str) -> list[str]:
    """A clause's sentences, and the members of its lists that have their own determiner.

    The parser loses the members of a list in a fragment; adjectives ("a big, brown dog") stay
    together.
    """
    return [part for part in map(_tidy, _LIST_BREAK.split(clause)) if part]


def strip_cues(line: str) -> str:
    """What an exclude field names, where it was filled in as "without the car"."""
    return _tidy(_CUE.sub("", join_names(line)))


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
