"""What a prompt says about the crop itself: its ratio, how much is around the subject.

Each row of the tables is a kind of instruction; what the crop search cannot obey is named, so that
the answer can say that it was not used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import gcd
from typing import Literal

from ..suggestions import Width
from .names import HYPHEN, spell_out

Side = Literal["above", "below", "left", "right"]


@dataclass(frozen=True)
class Instructions:
    """What the crop should be like."""

    aspect: str = ""
    """Width to height as "4:5", or "portrait" or "landscape"; empty for any."""

    min_size_px: tuple[int, int] | None = None
    """Width and height of the picture that the crop is for: "1080x1350"."""

    width: Width | None = None
    """How much of the photo is shown around the subject."""

    space: tuple[Side, ...] = ()
    """The sides of the subject on which there should be more room."""

    unused: tuple[str, ...] = ()
    """What the search cannot obey, in the user's words."""


_FORMATS = {
    "square": "1:1",
    "portrait": "portrait",
    "vertical": "portrait",
    "upright": "portrait",
    "landscape": "landscape",
    "horizontal": "landscape",
    "widescreen": "16:9",
    "wide screen": "16:9",
    "panorama": "2:1",
    "panoramic": "2:1",
}
"""Words that are things and properties too: instructions only where they stand alone or before a
word such as "format"."""

_USES = {
    r"(?:instagram|insta|ig|facebook|whatsapp|snapchat) (?:story|stories|reels?)": "9:16",
    r"(?:instagram|insta|ig)(?: (?:post|feed|portrait|format))?": "4:5",
    r"tik ?tok(?: video)?|(?:youtube )?shorts": "9:16",
    r"youtube(?: (?:thumbnail|video|banner))?": "16:9",
    r"(?:profile|profil) (?:picture|photo|pic|image)|avatar": "1:1",
    r"(?:phone|mobile|lock ?screen|iphone) (?:wallpaper|background)": "9:16",
    r"(?:desktop|pc|computer|laptop) (?:wallpaper|background)|(?:power ?point )?slide": "16:9",
    r"passport (?:photo|picture)|passport size": "7:9",
    r"facebook (?:cover|banner)(?: photo)?": "851:315",
    r"linkedin (?:banner|cover)": "4:1",
    r"(?:twitter|x) (?:header|banner)": "3:1",
    r"pinterest(?: pin)?": "2:3",
}

_TAIL = r"(?:crop|format|orientation|mode|framing|aspect(?: ratio)?|shape|cut|version|image|photo)"
_LEAD = r"(?:\b(?:in|as|to|at|for|with|make it|make)(?: an?| the| my)? )?"
_STOP = r"(?=$|[,.;!?]| (?:and|but|or|of|without|please|on|around|no|for|the|with)\b)"
_ALONE_BEFORE, _ALONE_AFTER = r"(?:^|(?<=, )|(?<=\. ))", r"(?=$|,|\.|;)"
_NUMBER = r"\d{1,3}(?:\.\d{1,2})?"
_RATIOS = (
    r"(?:1:1|2:1|1:2|3:1|1:3|3:2|2:3|4:3|3:4|5:4|4:5|7:5|5:7|16:9|9:16|16:10|10:16|21:9|9:21"
    r"|1\.91:1|1\.85:1|2\.35:1|2\.39:1|2\.4:1|8:10|10:8|6:7|7:6|5:3|3:5|4:1|1:4)"
)
_FORMAT = "|".join(_FORMATS)

_SIDE_WORDS: dict[str, Side] = {
    **dict.fromkeys(("above", "over", "top", "sky", "headroom"), "above"),
    **dict.fromkeys(("below", "under", "bottom", "beneath"), "below"),
    "left": "left",
    "right": "right",
}
_AMOUNT = (
    r"(?: (?:a|bit of|little|some|more|enough|plenty of|lots of|lot of|extra|much|empty|negative"
    r"|breathing|copy|head|white|free|generous))"
)
_SPACE = r" (?:space|room|air|headroom|margin|padding)"
_WHERE = (
    r"(?: (?:above|below|over|under|around|beside|beneath|in front of|behind)(?: (?:it|them|him))?"
    r"| (?:on|to|at|towards) (?:the |its |both |all |either )?(?:left|right|top|bottom|sides?)"
    r"(?: side)?"
    r"| for (?:(?:a|the|some|my) )?(?:text|titles?|headlines?|copy|logos?|words|captions?))"
)
_ENDS = r"(?=$|[,.;!?]| (?:and|but|or|of|without|the|a|an|my|her|his|its|their)\b| [\w]+'s\b)"

_SPACES = [
    re.compile(pattern)
    for pattern in (
        rf"\b(?:leav(?:e|ing)|giv(?:e|ing)(?: it| her| him| them)?|add(?:ing)?){_AMOUNT}*{_SPACE}"
        rf"\b{_WHERE}*{_ENDS}",
        rf"\b(?:with|have|having|keep|keeping)(?:{_AMOUNT}+{_SPACE}\b{_WHERE}*|{_SPACE}\b{_WHERE}+)"
        rf"{_ENDS}",
        rf"{_ALONE_BEFORE}(?:more |some |extra )?(?:space|room) (?:above|below|on the left"
        rf"|on the right|at the top|at the bottom|to the left|to the right)\b{_ENDS}",
        rf"{_ALONE_BEFORE}(?:more |some )?(?:headroom|head room){_ALONE_AFTER}",
        rf"\b(?:with )?more sky(?: above| over)?{_ENDS}",
    )
]

_WIDTHS: dict[Width, list[re.Pattern[str]]] = {
    "wide": [
        re.compile(pattern)
        for pattern in (
            r"\b(?:not|don't crop|do not crop|don't|nothing) too (?:tight|close)(?:ly)?(?: on\b)?",
            r"\b(?:an? )?(?:very )?(?:wide|loose)r? (?:shot|crop|framing|view|angle|frame)\b",
            rf"{_ALONE_BEFORE}(?:very )?(?:wide|wider|loose|loosely){_ALONE_AFTER}",
            r"\b(?:with|show|keep|include)? ?(?:(?:all|some|more|a bit of|lots of|the|its|their) )*"
            r"(?:context|surroundings|environment)\b",
            r"\bcrop(?:ped)? (?:loosely|wide)\b",
        )
    ],
    "close": [
        re.compile(pattern)
        for pattern in (
            rf"{_LEAD}\b(?:very |really |extremely )?(?:tight|close|tighter|closer) "
            rf"(?:crop|framing|shot|frame)\b",
            rf"{_LEAD}\b(?:extreme |super )?(?:close[ {HYPHEN}-]?ups?|head ?shot|macro(?: shot)?)\b"
            r"(?= of\b|$|,)",
            r"\b(?:crop(?:ped)?|zoom(?:ed)?|frame[d]?)(?: in)?(?: it)? (?:very |really )?"
            r"(?:tight|tightly|close|closely)\b(?: (?:on|around|to|in on)\b)?",
            r"\bzoom(?:ed)?(?: right| way)? in(?: on| to| at)?\b",
            r"\bfill the (?:frame|picture|image|photo) with\b",
            r"\bas (?:close|tight) as possible\b",
            rf"{_ALONE_BEFORE}(?:very |really )?(?:tight|close)(?:ly)?{_ALONE_AFTER}|\btightly$",
        )
    ],
    "medium": [
        re.compile(pattern)
        for pattern in (
            rf"\b(?:an? )?(?:medium|mid|half[ {HYPHEN}-](?:length|body)|waist[ {HYPHEN}-]up) "
            r"(?:shot|crop|framing|portrait|view)\b",
            rf"{_ALONE_BEFORE}(?:medium|waist up|from the waist up){_ALONE_AFTER}",
        )
    ],
}

_NOT_OBEYED = [
    re.compile(pattern)
    for pattern in (
        r"(?:\b(?:using|with|by|on|in|following|according to) )?(?:\bthe )?\b(?:rule of thirds?"
        r"|golden (?:ratio|spiral|section))\b(?: (?:crop|composition|framing|grid|lines)\b)?",
        r"\b(?:in|as|to) (?:black and white|b&w|monochrome|sepia|colou?r|greyscale|grayscale|hdr)\b"
        r"(?=$|[,.;!?])",
        r"\bin (?:the style of .+|(?:4k|hd|(?:high|full|low) (?:resolution|quality|definition)))"
        r"(?=$|[,.;!?])",
        r"\bmake (?:it|this|everything|the (?:photo|picture|image)) "
        r"(?:brighter|darker|sharper|pop|nicer|better|lighter|warmer|cooler|smaller|bigger)\b",
        r"(?:(?:^|(?<=, )|(?<=and ))(?:blur|sharpen|brighten|darken|straighten|rotate|flip|mirror"
        r"|enhance|retouch|colou?ri[sz]e|desaturate|upscale|resize|denoise)\b)(?= the| it|$|,)",
        r"(?<=, )(?:rotated|straightened|flipped|mirrored|sharpened|symmetric(?:al)?(?:ly)?"
        r"|cent(?:ered|red)|balanced|diagonal|dramatic|cinematic)(?=$|,)",
        r"\b(?:that|which) (?:says?|reads?) .+$",
        r"(?<=\ball )but (?:one|two|three|four|five|a few|\d+)\b",
        r"\bbut (?:one|two|three|four|five)$",
    )
]


def take_instructions(line: str) -> tuple[str, Instructions]:
    """Take what is said about the crop out of a line.

    Args:
        line: a prompt after `clauses.normalise`, with joined names.

    Returns:
        The rest, and the instructions.
    """
    reader = _Reader(re.sub(r"\bgive (him|her|them) ", r"\1, give ", line))
    for pattern in _NOT_OBEYED:
        reader.take(pattern, lambda match, found: _not_obeyed(match[0], found))
    reader.take(_SIZE, _read_size)
    reader.take(_RATIO, _read_ratio)
    for pattern in _SPACES:
        reader.take(pattern, _read_space)
    for width, patterns in _WIDTHS.items():
        for pattern in patterns:
            reader.take(pattern, lambda match, found, width=width: replace(found, width=width))
    for use, aspect in _USE_PATTERNS:
        reader.take(use, lambda match, found, aspect=aspect: replace(found, aspect=aspect))
    for pattern in _FORMAT_PATTERNS:
        reader.take(pattern, _read_format)
    return reader.rest(), reader.found


_SIZE = re.compile(rf"{_LEAD}\b(?P<w>\d{{3,5}}) ?[x\u00d7] ?(?P<h>\d{{3,5}})\b(?: ?px| pixels)?")
_RATIO = re.compile(
    rf"{_LEAD}(?:(?:an? )?(?:aspect )?ratio (?:of )?)?(?<![\d.:])(?:(?P<ratio>{_RATIOS})(?![\d:])"
    rf"|(?P<w>{_NUMBER})(?: by |x)(?P<h>{_NUMBER})(?= (?:{_TAIL}|prints?|cm|inch(?:es)?|in)\b"
    r"|(?= the\b))|(?P<w2>16|4|9|3|5) (?:by|to) (?P<h2>9|3|16|2|5|4)\b)"
    rf"(?: (?:cm|inch(?:es)?))?(?: (?:aspect )?(?:ratio|cinema format|{_TAIL}|prints?)\b)?"
)
_USE_PATTERNS = [
    (
        re.compile(
            rf"(?:\b(?:for|as|to)(?: an?| my| the)? (?:{use})|(?:^|(?<=, ))(?:an? )?(?:{use})"
            rf"(?=$|,| of\b))\b(?: (?:format|crop|size)\b)?(?! logo)"
        ),
        aspect,
    )
    for use, aspect in _USES.items()
]
_FORMAT_PATTERNS = [
    re.compile(pattern)
    for pattern in (
        rf"{_LEAD}\b(?P<format>{_FORMAT}) {_TAIL}\b{_STOP}",
        rf"{_ALONE_BEFORE}(?:a )?(?P<format>{_FORMAT}) ?(?=,)",
        rf"(?<=,,) ?(?P<format>{_FORMAT})(?=$|,| (?:with|and)\b)",
        rf"(?<=, )(?:a )?(?P<format>{_FORMAT}){_ALONE_AFTER}",
        r"^(?P<format>square|vertical|horizontal|wide ?screen)$",
        rf"\b(?:in|as(?: an?)?|make it(?: an?)?) (?P<format>{_FORMAT}){_ALONE_AFTER}",
        r"^(?:a )?(?P<format>square|panorama) of\b",
        r"^(?P<format>wide ?screen|panoramic)\b",
    )
]


class _Reader:
    """A line and what was read of it so far."""

    def __init__(self, line: str) -> None:
        self._line = line
        self.found = Instructions()
        self._unused: list[tuple[int, str]] = []

    def take(self, pattern: re.Pattern[str], read: object) -> None:
        """Read what a pattern finds; commas stand for it then, so that places stay."""
        assert callable(read)
        for match in pattern.finditer(self._line):
            before = self.found
            self.found = read(match, self.found)
            if len(self.found.unused) > len(before.unused):
                self._unused.append((match.start(), self.found.unused[-1]))
        self._line = pattern.sub(lambda match: "," * len(match[0]), self._line)

    def rest(self) -> str:
        """The line without the instructions."""
        self.found = replace(self.found, unused=tuple(text for _, text in sorted(self._unused)))
        line = self._line
        if "," not in line:
            return line
        line = re.sub(r"\ball ,+", "all", line)  # "all but one of the dogs"
        line = re.sub(r",{2,} ?of\b", ",", line)  # "square crop of the dog"
        line = re.sub(r"(?:^|(?<=,)) ?(?:an?|the|my) (?=,{2})", "", line)  # "a tight crop of"
        line = re.sub(r"\s*,[\s,]*", ", ", line)
        return line.strip(" ,")


def _not_obeyed(text: str, found: Instructions) -> Instructions:
    return replace(found, unused=(*found.unused, spell_out(text).strip()))


def _read_format(match: re.Match[str], found: Instructions) -> Instructions:
    """A ratio in numbers says more: "4:5 portrait"."""
    return found if found.aspect else replace(found, aspect=_FORMATS[match["format"]])


def _read_size(match: re.Match[str], found: Instructions) -> Instructions:
    width, height = int(match["w"]), int(match["h"])
    if not (width and height):
        return _not_obeyed(match[0], found)
    common = gcd(width, height)
    return replace(
        found, aspect=f"{width // common}:{height // common}", min_size_px=(width, height)
    )


def _read_ratio(match: re.Match[str], found: Instructions) -> Instructions:
    if match["ratio"]:
        return replace(found, aspect=match["ratio"])
    width, height = float(match["w"] or match["w2"]), float(match["h"] or match["h2"])
    if not (width and height):
        return _not_obeyed(match[0], found)
    if width == int(width) and height == int(height):
        common = gcd(int(width), int(height))
        return replace(found, aspect=f"{int(width) // common}:{int(height) // common}")
    return replace(found, aspect=f"{width:g}:{height:g}")


def _read_space(match: re.Match[str], found: Instructions) -> Instructions:
    words = match[0].replace("head room", "headroom").split()
    sides = [_SIDE_WORDS[word] for word in words if word in _SIDE_WORDS]
    if sides:
        return replace(found, space=tuple(dict.fromkeys((*found.space, *sides))))
    if " in front of" in match[0] or " behind" in match[0]:
        return _not_obeyed(match[0], found)
    return replace(found, width="wide")
