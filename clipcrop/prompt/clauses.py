"""A prompt -> what it asks for and what it excludes, as clauses for the parser.

Cues ("without", "but not", "except") are found by pattern, because the parser was trained on
full sentences and often attaches them to the wrong word of a fragment.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from .names import HYPHEN, join_names


class Clauses(NamedTuple):
    """A prompt, taken apart; everything is in lower case, names in it are joined."""

    wanted: str
    """What to look for, without commands and "a photo of"; empty if there is only an exclusion."""

    excluded: tuple[str, ...]
    """What to avoid, without the words that say so."""

    demanded: tuple[str, ...] = ()
    """What has to be in the crop as a whole ("don't cut off the feet"); an empty one stands for
    all that is wanted."""


_DETERMINER = (
    r"(?:the|a|an|my|your|her|his|their|our|its|this|that|these|those"
    r"|all|both|some|several|two|three|four|five|six|every|everyone)"
)
_DEMAND = "\ue000"
"""Before what must not be cut off; `normalise` leaves none of it in a prompt."""

_PICTURE = (
    r"(?:(?:the |this |my |our )?(?:frame|picture|photo|photograph|image|shot|view|crop|scene|pic"
    r"|composition|it|sight))"
)
_START = r"(?:^|(?<=[,;.!?] )|(?<=\band )|(?<=\bbut ))"
_X = r"(?P<x>(?!(?:to|in|the frame)\b)[^,;.!?\ue000]+?)"
_NEVER = r"(?:(?:n't| not|nt| never)(?: to)?(?: be)?)"
_SHOULD = r"(?:should|must|may|shall|can|ca|need|has to|have to|needs to|ought to|is|are|to)"
_WHOLE = (
    r"(?:(?:fully|completely|entirely|totally|all|still|both|clearly) )*(?:whole|complete|visible"
    rf"|intact|uncropped|uncut|shown|seen|included|present|in full|in (?:its|their) entirety"
    rf"|(?:in|inside|within) {_PICTURE})"
)
_OFF = r"(?: (?:off|out|away|into|through))?"
_CUT = rf"(?:cut|cropped|chopped|trimmed){_OFF}"
_END = r"(?=$|[,;.!?]| (?:and|but|please)\b)"

_REWRITES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # What belongs to nothing.
        (r"\bwhatever you do,? ", ""),
        (r"^(?:please )?(?:can|could|would|will) (?:you|we|i) (?:please )?", ""),
        (r"^surprise (?:me|us)$", ""),
        (r"(?:,| and|\bwith)? nothing else\b", ""),
        (r"\b(?:without|no|exclude|not|minus): ?[^.;]*", "<list>"),
        (r"^(?:please )?(?:crop|frame|cut)(?: it| this| the \w+)? so(?: that)? ", ""),
        # Demands: in whole, not cut.
        (
            rf"\b(?:i|we) (?:do not|don't|dont|never) want {_X} (?:to be |being )?{_CUT}{_END}",
            rf"{_DEMAND} \g<x>",
        ),
        (
            r"\b(?:(?:be careful |take care |try )?not to|do not|don't|dont|never|without|avoid) "
            r"(?:cut|crop|chop|remov|los|exclud|hid|ignor|leav|trim|slic)"
            rf"(?:e|ing|ting|ping|ming)?{_OFF}\b(?! (?:too|so)\b)",
            f", {_DEMAND}",
        ),
        (rf"{_START}{_X} {_SHOULD}{_NEVER} {_CUT}{_END}", rf"{_DEMAND} \g<x>"),
        (rf"\b(?:with|and) (?:nothing|none of it) {_CUT}{_END}", f", {_DEMAND}"),
        (rf" with {_X} not {_CUT}{_END}", rf", {_DEMAND} \g<x>"),
        # Exclusions.
        (
            r"\b(?:make sure|ensure|be sure|see that)(?: that)?(?: there (?:is|are))? no "
            rf"{_X}(?: (?:is|are))?(?: (?:visible|seen|there|in {_PICTURE}))?{_END}",
            r"without \g<x>",
        ),
        (rf"\bthere (?:should|must|may|can) be no {_X}(?: in {_PICTURE})?{_END}", r"without \g<x>"),
        (
            rf"{_START}(?:make sure(?: that)? |ensure(?: that)? )?{_X} {_SHOULD}{_NEVER} "
            rf"(?:visible|seen|shown|included|there|present|important|needed|wanted|part of"
            rf"|(?:in|on|inside|within) {_PICTURE})(?: {_PICTURE})?{_END}",
            r"without \g<x>",
        ),
        (
            rf"\bkeep {_X} in(?:side)? and (?P<y>[^,;.!?]+?) out(?: of {_PICTURE})?{_END}",
            r"keep \g<x>, without \g<y>",
        ),
        (
            rf"\b(?:keep|crop|cut|take|leave|get|edit|move) {_X} out(?: of {_PICTURE})?{_END}",
            r"without \g<x>",
        ),
        (
            r"\b(?:leave|cut|crop|take|keep|get|edit) out (?=(?:the|an?|any|all|my|that|this|those"
            r"|these)\b)",
            "without ",
        ),
        (rf" with {_X} (?:out of|outside|not in) {_PICTURE}{_END}", r" without \g<x>"),
        (r"\b(?:i|we) (?:do not|don't|dont) (?:care|mind) about ", "without "),
        (
            r"\b(?:i|we)(?: would|'d)? (?:want|like|need|prefer)(?: to (?:see|have))? no ",
            "without ",
        ),
        (r"\b(?:instead of|rather than|free (?:of|from)|away with|no need for) ", "without "),
        (r"\bnever mind(?: about)? ", "without "),
        (r"\bwith the exception of ", "except "),
        (
            r"\b(?:ignore|remove|exclude|omit|delete|hide|forget|get rid of|(?:crop|cut)(?: out)?) "
            r"(?:everything|everyone|everybody|anything|all)(?: else)? (?:but|except|besides)"
            r"(?: for)? ",
            "only ",
        ),
        (r"\b(?:nothing|no one|nobody|none) (?:but|except)(?: for)?\b", "only"),
        (
            r"\b(everything|everyone|everybody|anything|anyone|all) (?:but|besides|except"
            r"|apart from|without|other than)(?: for)?\b",
            r"\1 except",
        ),
        (r"\b(?:with |and )?(?:no one|no-one|nobody|noone)\b(?! but| except)", "without people"),
        # Demands, said of what should be there.
        (
            rf"\b(?:make sure|ensure|be sure|see to it)(?: that)? {_X} "
            rf"(?:is|are|stays?|remains?|gets?) {_WHOLE}{_END}",
            rf"{_DEMAND} \g<x>",
        ),
        (
            rf"{_START}{_X} (?:should|must|needs? to|has to|have to|ought to|is to|are to)"
            rf"(?: be| stay| remain)? {_WHOLE}{_END}",
            rf"{_DEMAND} \g<x>",
        ),
        (rf" with {_X} {_WHOLE}{_END}", rf", {_DEMAND} \g<x>"),
        (rf"(?<=,) (?:(?:all|both|fully|completely|entirely) )+{_WHOLE}{_END}", f" {_DEMAND}"),
        (
            rf"{_START}(?:(?:keep|show|include) )?{_X} (?:(?:from )?head to (?:toe|foot)|in full"
            rf"|in (?:its|their) entirety){_END}",
            rf"{_DEMAND} \g<x>",
        ),
        (
            rf"\b(?:the )?(?:full|whole)(?:[ {HYPHEN}-](?:body|length|figure))(?: (?:shot|portrait"
            r"|photo|picture|view|crop))? of ",
            f"{_DEMAND} ",
        ),
        (r"\ball of (?=(?:the|my|her|his) (?:[\w'-]*[^s\W])(?:$|,))", f"{_DEMAND} "),
    )
]
_CUE = re.compile(
    r"""
    \b(?<!-)(?:and\ |but\ |or\ )?(?:
        (?:do\ not|don't|dont|never)\ (?:include|show|want|have|keep|contain|like|focus\ on)
        | (?:i|we)\ (?:do\ not|don't|dont)\ (?:want|need|like)(?:\ to\ (?:see|have|show))?
        | without | minus | sans | excluding | excepting | except(?:\ for)?
        | other\ than | aside\ from | apart\ from | leaving\ out | cropping\ out | cutting\ out
        | free\ of | none\ of(?:\ the)? | neither | nor | avoiding | omitting
        | zero(?=\ (?:people|men|women|children|\w*[^\Wsui]s)
            (?:$|[,.;!?]|\ (?:in|on|at|and|or|near|please)\b))
        | (?:do\ )?not(?!\ only|\ just|\ too|\ sure|\ a\ big)
        | no(?!\ (?:matter|doubt|longer|surprise|idea|way|problem|thanks)\b)
    )\b(?!['-])(?:\ any\b)?
    | (?:^|(?<=[,;.!?]\ )|\b(?:and|but|then|please|also|to|you)\ )
      (?:exclude|omit|avoid|ignore|remove|leave\ out|cut\ out|crop\ out|get\ rid\ of
        | take\ out | eliminate | delete | erase | forget | disregard
        | (?:drop|hide|skip|lose)(?=\ (?:the|a|an|any|all|my|that|this|those|these)\b))\b(?!['-])
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

_IMAGE_WORDS = r"(?:image|photo|photograph|picture|pic|shot|frame|crop|view)"
_COMMANDS = [
    re.compile(pattern)
    for pattern in (
        r"^(?:please|ok|okay|hey|hi|just|only|now|then|and|but|also|so|maybe|or|,)\s+",
        r"^(?:can|could|would|will) (?:you|we|i)\s+",
        r"^let'?s\s+",
        r"^(?:i|we)(?: would|'d| d)? (?:just |only |really )?(?:want|need|like|love|wanna|prefer)"
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
    line = re.sub(r"\b(people|person|tourist|crowd|car)-free (\w+)", r"\2 without \1", line)
    line = line.replace("without person", "without people")
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
    """Tell what is wanted, what is excluded, and what must not be cut off.

    Args:
        line: a prompt after `normalise`, with joined names and without instructions.
    """
    for said, replacement in _REWRITES:
        line = said.sub(_as_list if replacement == "<list>" else replacement, line)
    line, demanded = _take_demands(line)
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
        excluded=tuple(part for part in map(_tidy_excluded, excluded) if part),
        demanded=tuple(map(_tidy_wanted, demanded)),
    )


def _as_list(match: re.Match[str]) -> str:
    """Say "without: car, bin" as "without car or bin"."""
    return match[0].replace(":", "", 1).replace(", ", " or ")


def _take_demands(line: str) -> tuple[str, list[str]]:
    """Take what must be whole out of a line: each up to the next comma, cue or clause."""
    demanded: list[str] = []
    while (start := line.find(_DEMAND)) >= 0:
        after = start + len(_DEMAND)
        ends = [line.find(sign, after) for sign in (",", _DEMAND)]
        ends += [found.start() for cue in (_CLAUSE_END, _CUE) if (found := cue.search(line, after))]
        end = min((end for end in ends if end >= 0), default=len(line))
        demanded.append(line[after:end].strip())
        line = f"{line[:start]}, {line[end:]}"
    return re.sub(r"\s*,[\s,]*", ", ", line).strip(" ,"), demanded


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


_IN_PICTURE = re.compile(rf" (?:in|from|out of|on) {_PICTURE}$")


def _tidy_excluded(clause: str) -> str:
    return _IN_PICTURE.sub("", _tidy(clause))


def _tidy(clause: str) -> str:
    clause = clause.strip(" ,;:.!?-")
    return _TRAILING.sub("", clause).strip()
