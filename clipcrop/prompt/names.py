"""Names in a prompt that hold words or signs which mean something else there.

"no parking sign" excludes nothing, "U.S. flag" is no end of a sentence, "x-ray" is one word. Such
a name is *joined*: written as one word, which neither the patterns of `clauses` nor the
parser take apart. `spell_out` undoes it.
"""

from __future__ import annotations

import re

# Letters to `re` and to spaCy, which `clauses.normalise` (NFKC) leaves in no prompt.
_JOINED = str.maketrans(" .-'&/%$€£¥+:", "ᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼ")
_SPELLED_OUT = {joined: spelled for spelled, joined in _JOINED.items()}

HYPHEN = " -".translate(_JOINED)[1]
"""Stands for the hyphen in a joined name."""

_SIGN = (
    r"(?:signs?|posters?|stickers?|notices?|symbols?|placards?|boards?|banners?|decals?|labels?"
    r"|tape|plaques?|buttons?|stencils?|graffiti|zones?|areas?)"
)
_FORBIDDEN = (
    r"(?:(?:left|right|u)[ -]turns?|turns?|entry|access|exit|outlet|admittance|vacanc(?:y|ies)"
    r"|photos?|photography|flash|thoroughfare|through road|wake|fly|[a-z]{2,}ing)"
)
_DETERMINED = r"(?:(?<=\bthe )|(?<=\ba )|(?<=\ban )|(?<=\bthis )|(?<=\bmy ))"
_PLURAL = r"[\w'-]*[^\Wsui]s"

_NAMES = [
    re.compile(pattern)
    for pattern in (
        # Names with the words of exclusions, of commands or of numbers in them.
        r"\b(?:no man'?s land|zero[ -]gravity|remove before flight|hide and seek"
        r"|(?:minus|plus) (?:sign|symbol|key|button)s?|comic sans|sans serif"
        r"|drops? of (?!(?:the|an?)\b)[\w-]+"
        r"|(?:see|hear|speak) no evil|keep calm(?: and carry on)?|keep off the grass"
        rf"|(?:keep (?:out|left|right|clear)|give way)(?= {_SIGN}\b)|get well soon|just married"
        r"|now (?:open|hiring)|show (?:jump\w+|pon(?:y|ies)|ring)|hi vis|hi fi|ok (?:sign|hand)"
        r"|fire hydrants?|stop signs?)\b",
        # What a sign says: "no dogs allowed", "do not disturb", "no skateboards".
        rf"\bno (?:{_FORBIDDEN}|[\w'-]+(?: [\w'-]+){{0,2}} (?:allowed|permitted|beyond[\w ]*?)"
        rf"|(?:[\w'-]+ )?{_PLURAL}) {_SIGN}\b",
        r"\bno (?:parking|stopping|smoking|entry|trespassing|littering|loitering)(?=$|[,.;!?])",
        r"\b(?:do not|don't|dont) (?!(?:include|show|want|have|keep|contain|like|focus|cut|crop"
        r"|chop|trim|lose|slice|leave|remove|exclude|forget)\b)"
        rf"\w+(?: (?!{_SIGN}\b)[\w'-]+){{0,3}}(?<! the)(?<! a)(?<! an)(?<! that) {_SIGN}\b",
        rf"\b(?:\w+ )?not (?:allowed|permitted|for sale|in use|in service|a toy) {_SIGN}\b",
        rf"{_DETERMINED}(?:no|zero|not) (?!one\b)[\w'-]+",
        # A number, not a refusal: "No. 5", "no 10".
        r"\bno\.? ?\d+\b",
        # Words with full stops in them.
        r"\bmr\.? (?:and|&) mrs\.?(?= \w)",
        r"\b(?:mr|mrs|ms|dr|st|mt|ft|prof|rev|gen|capt|lt|sgt|sr|jr|hon|gov|inc|ltd|bros|ave|blvd"
        r"|vs|approx)\. \w+",
        r"(?<![\w.'-])(?:(?:[a-z]\.){2,}[a-z]?|[a-z](?:\.[a-z])+|[a-z]\.(?=\s+(?!the|an?|no)\w))(?!\w)",
        # Numbers of players, rooms, buses.
        r"\bnumber \d+\b",
        # Hyphens: "x-ray", "F-16", "no-name", "8-year-old".
        r"\b\w+(?:-\w+)+\b",
        # Signs between letters or at a number: "H&M", "AC/DC", "24/7", "A+", "$5", "50 %".
        r"\b[a-z]{1,2}&[a-z]{1,2}(?:'s)?\b",
        r"\b(?:[a-z]{1,2}/[a-z]{1,2}|\d+/\d+)\b",
        r"\b[a-z0-9]{1,2}\+{1,2}(?=\s|$)",
        r"[$€£¥]\d[\d.,]*\b",
        r"\b\d[\d.,]* ?[%€£¥]",
    )
]


def join_names(line: str) -> str:
    """Write each name as one word.

    Args:
        line: a prompt after `clauses.normalise`.
    """
    for name in _NAMES:
        line = name.sub(lambda match: match[0].translate(_JOINED), line)
    return line


def spell_out(text: str) -> str:
    """A text with its names as the user wrote them."""
    return text.translate(_SPELLED_OUT)


def as_word(name: str) -> str:
    """How the parser's statistics look a joined name up: as a word like those it was trained on."""
    spelled = spell_out(name)
    *_, last = spelled.split("-")
    return last if last != spelled and last.isalpha() else re.sub(r"[ '-]", "", spelled)
