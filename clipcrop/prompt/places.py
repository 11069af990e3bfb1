"""Words that choose among alike things: where they are, how large they are, what they are beside.

Those around a noun ("the left dog", "the two biggest boats") are read from the parse, by
`prenominal`; those behind it ("the dog on the far left", "the second dog from the left") are taken
out of the text before it is parsed, by `take_places`, because they leave the parser a simpler
fragment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .names import HYPHEN, spell_out

SIDES = {
    **dict.fromkeys(("left", "leftmost", "left-hand", "left-most"), "left"),
    **dict.fromkeys(("right", "rightmost", "right-hand", "right-most"), "right"),
    **dict.fromkeys(("top", "upper", "topmost", "uppermost", "highest"), "top"),
    **dict.fromkeys(("bottom", "lower", "bottommost", "lowermost", "lowest"), "bottom"),
    **dict.fromkeys(("middle", "center", "centre", "central", "middlemost"), "middle"),
    **dict.fromkeys(("front", "foreground", "frontmost", "foremost"), "front"),
    **dict.fromkeys(("nearest", "closest", "nearer", "closer"), "front"),
    **dict.fromkeys(("back", "rear", "background", "rearmost", "distance"), "back"),
    **dict.fromkeys(("farthest", "furthest", "farther", "further"), "back"),
}
SIZES = {
    **dict.fromkeys(("biggest", "bigger", "largest", "larger", "tallest", "taller"), "biggest"),
    **dict.fromkeys(("smallest", "smaller", "tiniest", "littlest", "shortest"), "smallest"),
}
ORDINALS = {
    word: rank
    for rank, words in enumerate(
        (
            *(("first", "1st"), ("second", "2nd"), ("third", "3rd"), ("fourth", "4th")),
            *(("fifth", "5th"), ("sixth", "6th"), ("seventh", "7th"), ("eighth", "8th")),
        ),
        start=1,
    )
    for word in words
}

RELATIONS = {
    **dict.fromkeys(("next to", "beside", "by", "near", "close to", "alongside"), "next to"),
    **dict.fromkeys(("nearest to", "closest to", "nearest", "closest", "nearer to"), "next to"),
    **dict.fromkeys(("in front of", "behind", "against", "opposite"), "next to"),
    **dict.fromkeys(("left of", "to the left of", "left from"), "left of"),
    **dict.fromkeys(("right of", "to the right of", "right from"), "right of"),
    **dict.fromkeys(("above", "over"), "above"),
    **dict.fromkeys(("below", "under", "beneath", "underneath"), "below"),
}
"""What stands between two nouns, and how the first lies to the second then."""

TOUCHING = "with"
"""The relation of what a thing has, wears or is in: the two touch."""

TOUCHING_WORDS = frozenset({"with", "in", "on", "at", "holding", "wearing", "riding", "carrying"})
"""What stands between two such things."""

_FIXED = frozenset(
    {"hat", "door", "doors", "yard", "garden", "body", "finger", "turn", "turns", "hand", "hands"}
    | {"arm", "arms", "leg", "legs", "foot", "feet", "eye", "eyes", "ear", "ears", "wing", "page"}
    | {"porch", "seat", "seats", "school", "age", "ages", "gun", "bun", "deck", "wheel", "wheels"}
    | {"side", "row", "lane", "field", "class", "angle", "line", "desk", "lip", "jaw", "shoe"}
    | {"knot", "coat", "floor", "light", "lights", "window wall", "teeth", "bumper", "paw", "paws"}
)
"""Nouns with which "left", "top", "front" form a name: "top hat", "front door", "right hand"."""

SUPERLATIVES = frozenset(
    word for word in SIDES if word.endswith(("st", "most", "hand", "nearer", "closer"))
) | frozenset(SIZES)

_SIDE = "|".join(sorted((*SIDES, "centre-left"), key=len, reverse=True))
_ORDINAL = "|".join(ORDINALS)
_IMAGE = r"(?: of (?:the |this |my )?(?:photo|picture|image|frame|shot|pic|scene|view)\b)?"
_END = (
    r"(?=$|[,.;!?]| (?:and|but|with|without|who|that|which|is|are|please|not|in|holding|wearing"
    r"|next|near|beside|by|behind|above|below|under|on|at"
    r"|of the (?:photo|picture|image|frame|shot))\b)"
)
_BEHIND = re.compile(
    rf"\b(?:(?:that|who|which) (?:is|are) )?(?:furthest |farthest |standing |sitting |all )?"
    rf"(?:on|at|in|to|towards?|from|near) (?:the )?(?:far |very |extreme |outer )?"
    rf"(?P<one>{_SIDE})(?:[ {HYPHEN}-](?P<two>{_SIDE}))?"
    rf"(?:[ {HYPHEN}-]hand)?(?: (?:side|corner|edge|row|part|half|end|third|area))?{_IMAGE}{_END}"
    rf"|(?<=[\w'] )(?:far )?(?P<three>top|bottom|upper|lower|far|centre|center)[ {HYPHEN}-]"
    rf"(?P<four>left|right){_IMAGE}{_END}"
    rf"|(?<=[\w'] )in (?P<five>front|back){_END}"
    rf"|(?<=[\w'] )(?P<six>furthest|farthest|closest|nearest)(?: away| to (?:the camera|us|me))?"
    rf"{_END}"
    rf"|(?<=[\w'] )far (?P<seven>left|right){_END}"
)
_COUNTED = re.compile(
    rf"\b(?P<rank>{_ORDINAL})(?P<noun>(?: (?!from\b)[\w'-]+){{0,3}}) from (?:the )?(?:far )?"
    rf"(?P<side>{_SIDE})\b(?: side)?{_IMAGE}"
)
_FIRST_ON = re.compile(rf"\b(?:first|last) (?=[\w' -]+? (?:on|at|to) the (?:{_SIDE})\b)")
_OF_SEVERAL = re.compile(
    rf"\b(?:the )?(?:(?P<which>{'|'.join(SUPERLATIVES)})(?: one)?|(?P<side>{_SIDE}) one)"
    r" of (?:the |these |those |all )+(?:two |three |four |five |both )?(?=[\w'])"
)


@dataclass(frozen=True)
class Place:
    """Which of several alike things is meant."""

    sides: tuple[str, ...] = ()
    """Of "left", "right", "top", "bottom", "middle", "front", "back", "biggest", "smallest"."""

    rank: int = 1
    """2 for "second from the left"."""

    relation: str = ""
    """How it lies to `anchor`: "next to", "left of", "right of", "above", "below", "with"."""

    anchor: str = ""
    """Another text of the prompt."""

    def __str__(self) -> str:
        """As users write it."""
        if self.relation:
            return f"{self.relation} {self.anchor}"
        sides = " ".join(self.sides)
        if self.rank == 1:
            return sides
        ordinal = next(word for word, rank in ORDINALS.items() if rank == self.rank)
        return f"{ordinal} {sides}" if sides in SIZES else f"{ordinal} from the {sides}"


def take_places(text: str) -> tuple[str, list[tuple[int, Place]]]:
    """Take the place words that stand behind nouns out of a text.

    Args:
        text: a part of a prompt with joined names.

    Returns:
        What is left, and for each place where it stood in that, in characters.
    """
    text = _OF_SEVERAL.sub(lambda match: f"one of the {match['which'] or match['side']} ", text)
    text = _FIRST_ON.sub("", text)
    found: list[tuple[int, Place]] = []
    left, at = "", 0
    matches = sorted(
        [*_COUNTED.finditer(text), *_BEHIND.finditer(text)], key=lambda match: match.start()
    )
    for match in matches:
        if match.start() < at:
            continue  # inside one that is taken
        groups = match.groupdict()
        noun = groups.get("noun")
        left += text[at : match.start()]
        if noun is None:
            words = [groups[name] for name in groups if groups[name] and groups[name] != "far"]
            place = Place(tuple(dict.fromkeys(SIDES[word] for word in words)))
            is_right_of = text[match.end() :].startswith(" of ")
            if is_right_of or not place.sides:
                left += match[0]
                at = match.end()
                continue
        else:
            place = Place((SIDES[groups["side"]],), ORDINALS[groups["rank"]])
            left += noun.strip() or "the one"
        left = left.rstrip() if noun is None else left
        found.append((len(left), place))
        at = match.end()
    return (left + text[at:]).strip(), found


def prenominal(words: Sequence[str]) -> tuple[Place | None, frozenset[int]]:
    """The place that the words of a noun chunk tell, its noun last.

    Returns:
        The place, and the positions of the words that say so.
    """
    sides: list[str] = []
    rank, used = 1, set()
    words = [spell_out(word) for word in words]
    for at, word in enumerate(words[:-1]):
        if word in SIZES:
            sides.append(SIZES[word])
        elif word in SIDES and (
            word in SUPERLATIVES or not _FIXED.intersection((words[at + 1], words[-1]))
        ):
            sides.append(SIDES[word])
        elif word in ORDINALS and (words[at + 1] in SIZES or words[at + 1] in SUPERLATIVES):
            rank = ORDINALS[word]
        else:
            continue
        used.add(at)
    if not sides:
        return None, frozenset()
    return Place(tuple(dict.fromkeys(sides)), rank), frozenset(used)


def relation_between(words: str) -> str:
    """How a noun lies to the next one, from the words between them; empty if they say nothing."""
    words = f" {words.strip()}"
    for side in ("left", "right"):
        if re.search(rf" (?:on|to|at) the {side}(?:[ -]hand)?(?: side)? of$", words):
            return f"{side} of"
    said = [phrase for phrase in RELATIONS if words.endswith(f" {phrase}")]
    return RELATIONS[max(said, key=len)] if said else ""
