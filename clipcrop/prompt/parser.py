"""A prompt -> the texts that are searched for in the image.

The paper's reading: the whole prompt and each of its keywords, the noun chunks that spaCy finds.
Beyond it: counts ("two dogs"), exclusions ("without the car"), and words about the photo
itself ("a close-up of") are not searched for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from ..errors import EmptyPrompt, InputError
from ..suggestions import Width
from .clauses import Clauses, normalise, split_clauses, split_list, strip_cues
from .instructions import Instructions, take_instructions
from .language import english_pipeline
from .names import as_word, join_names, spell_out
from .places import (
    SUPERLATIVES,
    TOUCHING,
    TOUCHING_WORDS,
    Place,
    prenominal,
    relation_between,
    take_places,
)
from .spelling import correct
from .words import (
    ANIMAL_PARTS,
    BODY_PARTS,
    COLLECTIVES,
    COLOURS,
    CONTAINERS,
    DETERMINERS,
    EVERYONE,
    FUNCTION_WORDS,
    GROUPS_OF_PEOPLE,
    MANY,
    MEASURES,
    NUMBERS,
    ONE_DETERMINERS,
    ONES,
    PAIRS,
    PEOPLE_PRONOUNS,
    PERSON,
    PLACE_MODIFIERS,
    PLACE_WORDS,
    PORTIONS,
    QUANTIFIERS,
    SAME_IN_PLURAL,
    SCENE_WORDS,
    SOMEONE,
    WHOLE,
)

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Span, Token

MAX_PROMPT_CHARACTERS = 512
"""As long as a prompt may be, here and on the wire."""

MAX_KEYWORDS = 8
"""Each one costs a pass of the text encoder; what comes later in a prompt is left out."""


@dataclass(frozen=True)
class Text:
    """One thing to look for, and what the grammar says about it."""

    text: str
    """As it is given to a text encoder: ``"two brown dogs"``."""

    head: str = ""
    """The word that names the thing, in its singular: ``"dog"``; empty when unknown."""

    modifiers: tuple[str, ...] = ()
    """The words that describe the head: ``("brown",)``."""

    max_count: int | None = 1
    """Boxes to select at most; None for a plural without a number ("dogs", "everyone")."""

    is_whole_prompt: bool = False
    """True for the prompt as a whole (the paper's *main*), False for a keyword."""

    places: tuple[Place, ...] = ()
    """Which of several such things are meant; all of these hold."""

    is_demanded: bool = False
    """It must not be cut off."""

    part_of: str = ""
    """For a part of a body, whose: ``"woman"``, ``"dog"``."""

    @property
    def described(self) -> str:
        """The text and its places, as users read it: ``"woman (left)"``."""
        places = [str(place) for place in self.places if place.relation != TOUCHING]
        return f"{self.text} ({', '.join(places)})" if places else self.text


IMAGE_QUERY = Text("image query")
"""Stands for an example image; its embedding comes from the encoder's image query."""


@dataclass(frozen=True)
class Prompt:
    """What a prompt asks for."""

    text: str
    """As the user wrote it."""

    texts: tuple[Text, ...]
    """The whole prompt first, then its keywords; empty when nothing is asked for that could be
    searched ("", "without the car", "the background")."""

    exclusions: tuple[Text, ...] = ()
    """What crops should avoid."""

    instructions: Instructions = field(default_factory=Instructions)
    """What the crop should be like, and what of that cannot be obeyed."""

    corrections: tuple[tuple[str, str], ...] = ()
    """Words that were misspelled, and how they were read."""

    contradicted: tuple[str, ...] = ()
    """What is asked for and excluded in the same words; it is no exclusion."""

    @property
    def all_texts(self) -> tuple[Text, ...]:
        """Texts and then exclusions: the order of the rows of their embeddings."""
        return self.texts + self.exclusions

    @property
    def unused(self) -> tuple[str, ...]:
        """Instructions that are neither searched for nor obeyed: "rule of thirds"."""
        return self.instructions.unused

    @property
    def width(self) -> Width | None:
        """How much of its surroundings the crop is to show; None where the prompt does not say."""
        return self.instructions.width

    @property
    def keywords(self) -> tuple[Text, ...]:
        """The texts but the whole prompt."""
        return tuple(text for text in self.texts if not text.is_whole_prompt)

    def with_image_query(self) -> Prompt:
        """The same prompt with an image query after its texts."""
        return replace(self, texts=(*self.texts, IMAGE_QUERY))


def parse_prompt(prompt: str, exclude: Sequence[str] = ()) -> Prompt:
    """Find what a prompt asks for and what it excludes.

    Args:
        prompt: what the user typed, in English.
        exclude: further things to avoid, each like "the car" or "cars and bins"; blank ones
            count as none.

    Returns:
        With a blank prompt, one that asks for nothing: any good crop will do.

    Raises:
        EmptyPrompt: there is something in it, but no word.
        InputError: it is too long.
        LanguageModelMissing: spaCy's English pipeline is not installed.
    """
    line, exclude_lines = _checked_lines(prompt, exclude)
    if not line and not exclude_lines:
        return Prompt(text="", texts=())  # that needs no spaCy
    line, corrections = correct(line, prompt)
    rest, instructions = take_instructions(join_names(line))
    return replace(
        read_clauses(prompt, split_clauses(rest), exclude_lines),
        instructions=instructions,
        corrections=corrections,
    )


def read_clauses(prompt: str, clauses: Clauses, exclude: Sequence[str] = ()) -> Prompt:
    """Find the texts in the clauses of a prompt.

    Args:
        prompt: what the user typed.
        clauses: the same, taken apart, in English.
        exclude: further things to avoid, normalised, with joined names.
    """
    excluded_clauses = [*clauses.excluded, *exclude]
    demanded_clauses = [clause for clause in clauses.demanded if clause]
    docs = iter(_parse([clauses.wanted, *demanded_clauses, *excluded_clauses]))
    found = next(docs)
    demanded = [
        replace(keyword, text=replace(keyword.text, is_demanded=not keyword.is_object))
        for _ in demanded_clauses
        for keyword in next(docs).keywords
    ]
    is_all_demanded = len(demanded_clauses) < len(clauses.demanded)
    keywords = _merge([*found.keywords, *demanded])
    if is_all_demanded:
        keywords = [
            replace(one, text=replace(one.text, is_demanded=not one.is_object)) for one in keywords
        ]
    keywords = _with_owners(keywords)
    wanted = ", ".join(filter(None, (clauses.wanted, *demanded_clauses)))
    others = [
        word.text
        for word in reversed(keywords)
        if not word.is_object and word.text.text not in ONES
    ]
    antecedent = others[0] if others else None
    exclusions = [
        text if text.text not in ONES or antecedent is None else _one_like(antecedent, text)
        for clause, one in zip(excluded_clauses, docs, strict=True)
        for text in _exclusions(clause, one, is_needed=clause in exclude or not wanted)
    ]
    exclusions = [replace(text, text=PERSON) if text.text in ONES else text for text in exclusions]
    keywords = [
        replace(word, text=replace(word.text, text=PERSON)) if word.text.text in ONES else word
        for word in keywords
    ]
    texts = _texts(wanted, keywords, found.has_scene_words)
    asked, avoided = _names(texts), _names(exclusions)
    contradicted = {text for text, places in asked & avoided}
    if not _OTHERS.isdisjoint(" ".join(excluded_clauses).split()):
        contradicted = set()  # "the dog without the other dog"
    allowed = [text for text in exclusions if text.text not in contradicted]
    return Prompt(
        text=prompt.strip(),
        texts=texts,
        exclusions=tuple(dict.fromkeys(allowed))[:MAX_KEYWORDS],
        contradicted=tuple(sorted(contradicted)),
    )


def _names(texts: Sequence[Text]) -> set[tuple[str, tuple[Place, ...]]]:
    return {(text.text, text.places) for text in texts}


def _one_like(antecedent: Text, text: Text) -> Text:
    """What "the one on the right" is, behind "the lady on the left"."""
    return replace(antecedent, places=text.places, max_count=text.max_count, is_demanded=False)


def _with_owners(keywords: Sequence[_Keyword]) -> list[_Keyword]:
    """Tell of parts of bodies whose they are, where their own words don't."""
    owner = next(
        (
            word.text.head
            for word in keywords
            if word.text.head not in BODY_PARTS and not word.is_object
        ),
        "",
    )
    return [
        replace(
            word,
            text=replace(
                word.text,
                part_of=owner or ("animal" if word.text.head in ANIMAL_PARTS else PERSON),
            ),
        )
        if word.text.head in BODY_PARTS and not word.text.part_of
        else word
        for word in keywords
    ]


_OTHERS = frozenset({"other", "others", "another", "rest"})


def check_prompt(prompt: str, exclude: Sequence[str] = ()) -> None:
    """Refuse what `parse_prompt` would refuse, without loading spaCy.

    Raises:
        EmptyPrompt: there is something in it, but no word.
        InputError: it is too long.
    """
    _checked_lines(prompt, exclude)


def _checked_lines(prompt: str, exclude: Sequence[str]) -> tuple[str, list[str]]:
    """The prompt and the exclusions that are not blank, normalised."""
    exclude_lines = [
        line for item in exclude if (line := strip_cues(_checked_line(item, "exclusion")))
    ]
    line = _checked_line(prompt, "prompt")
    if prompt.strip() and not line:
        raise EmptyPrompt(
            f"no word in the prompt {prompt.strip()!r}; name what the crop should show, such as "
            "'the dog', or nothing for a good crop of anything"
        )
    return line, exclude_lines


def _checked_line(text: str, what: str) -> str:
    """Normalise; empty if there is no word in it."""
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise InputError(
            f"{what} of {len(text)} characters is too long; use at most {MAX_PROMPT_CHARACTERS}"
        )
    line = normalise(text)[: 2 * MAX_PROMPT_CHARACTERS]  # a character may stand for several
    return line if any(map(str.isalnum, line)) else ""


def _texts(wanted: str, keywords: Sequence[_Keyword], has_scene_words: bool) -> tuple[Text, ...]:
    wanted = spell_out(wanted)
    has_content = not FUNCTION_WORDS.issuperset(wanted.replace(",", " ").split())
    if not keywords and (has_scene_words or not has_content):
        return ()
    if keywords:
        main = next((word for word in keywords if not word.is_object), keywords[0]).text
        others = [word for word in keywords if word.text != main and not word.is_object]
        count = 1 if others else main.max_count
        whole = replace(main, text=wanted, max_count=count, is_whole_prompt=True)
    else:
        head = wanted if wanted.isalpha() else ""
        whole = Text(wanted, head=head, is_whole_prompt=True)
    return (whole, *(keyword.text for keyword in keywords[:MAX_KEYWORDS]))


def _exclusions(clause: str, found: _Found, *, is_needed: bool) -> list[Text]:
    """The main things of an exclusion: "the cup on the table" does not exclude the table."""
    keywords = [keyword for keyword in found.keywords if not keyword.is_object]
    keywords = keywords or found.keywords[:1]
    if keywords:
        return [
            # "the car" is one; "no car" and "car" in an exclude field are any of them
            keyword.text if keyword.is_definite else replace(keyword.text, max_count=None)
            for keyword in keywords
        ]
    if is_needed and not found.has_scene_words:
        clause = spell_out(clause)
        return [Text(clause, head=clause if clause.isalpha() else "", max_count=None)]
    return []


@dataclass(frozen=True)
class _Keyword:
    """A keyword and its place in the clause."""

    text: Text
    is_object: bool  # of a preposition or a verb: "car" in "the man in the car"
    is_definite: bool


@dataclass(frozen=True)
class _Found:
    keywords: list[_Keyword]
    has_scene_words: bool


def _merge(keywords: Sequence[_Keyword]) -> list[_Keyword]:
    """One keyword for "a dog and another dog", with both counts."""
    merged: dict[tuple[str, tuple[Place, ...]], _Keyword] = {}
    for keyword in keywords:
        name = (keyword.text.text, keyword.text.places)
        known = merged.get(name)
        if known is not None and keyword.text.is_demanded:
            keyword = replace(known, text=replace(known.text, is_demanded=True))
        elif known is not None:
            counts = (known.text.max_count, keyword.text.max_count)
            total = None if None in counts else sum(count or 0 for count in counts)
            keyword = replace(known, text=replace(known.text, max_count=total))
        merged[name] = keyword
    return list(merged.values())


def _parse(clauses: Sequence[str]) -> list[_Found]:
    """Find the keywords of clauses; what comes back holds nothing of spaCy's."""
    segments = [split_list(clause) for clause in clauses]
    carriers = [_carrier(*take_places(segment)) for parts in segments for segment in parts]
    pipeline = english_pipeline()
    with pipeline.memory_zone():  # else a daemon would keep every word it ever saw
        docs = [(_words(pipeline, carrier.sentence), carrier) for carrier in carriers]
        parsed = iter([_find(*pair) for pair in pipeline.pipe(docs, as_tuples=True)])
    found: list[_Found] = []
    for parts in segments:
        pieces = [next(parsed) for _ in parts]
        found.append(
            _Found(
                [keyword for piece in pieces for keyword in piece.keywords],
                any(piece.has_scene_words for piece in pieces),
            )
        )
    return found


def _words(pipeline: Language, sentence: str) -> Doc:
    """The words of a sentence; the parser takes joined names for words that it knows."""
    doc = pipeline.make_doc(sentence)
    for token in doc:
        if token.text != spell_out(token.text):
            token.norm_ = as_word(token.text)
        elif token.text in ONES and doc[token.i - 1].text in DETERMINERS:
            token.norm_ = PERSON  # not a number
    return doc


_CARRIER = ("look", "at")


class _Carrier(NamedTuple):
    """A fragment in a sentence: bare nouns are often taken for verbs otherwise."""

    sentence: str
    is_determined: bool
    """"the" was added to it."""

    places: list[tuple[int, Place]]
    """What was taken out of it, and where, in characters of the sentence."""


def _carrier(clause: str, places: list[tuple[int, Place]]) -> _Carrier:
    first_word = (clause.split(maxsplit=1) or [""])[0].strip(",.")
    needs_determiner = first_word not in FUNCTION_WORDS and not first_word.isdigit()
    start = " ".join([*_CARRIER, *(["the"] if needs_determiner else []), ""])
    shifted = [(len(start) + at, place) for at, place in places]
    return _Carrier(f"{start}{clause} .", needs_determiner, shifted)


def _find(doc: Doc, carrier: _Carrier) -> _Found:
    keywords: list[_Keyword] = []
    chunks: list[Span] = []
    has_scene_words = False
    pronouns: list[int | None] = []
    added = len(_CARRIER) if carrier.is_determined else None
    pending: tuple[Place, ...] = ()
    for chunk in _noun_chunks(doc):
        root = chunk.root
        if root.i < len(_CARRIER):
            continue
        is_placed = any(0 <= at - chunk.end_char <= 1 for at, _ in carrier.places)
        place, _ = prenominal([token.lower_ for token in chunk])
        if root.lower_ in ONES and (is_placed or place):
            one = Text(root.lower_, PERSON, max_count=1 if root.lower_ == "one" else None)
            one = replace(one, places=(place,) if place else ())
            keywords.append(_Keyword(one, is_object=_is_object(root), is_definite=True))
            chunks.append(chunk)
            continue
        if root.tag_ in ("PRP", "WP", "EX", "WDT") and root.lower_ not in EVERYONE | SOMEONE:
            if root.lower_ in PEOPLE_PRONOUNS:
                pronouns.append(PEOPLE_PRONOUNS[root.lower_])
            continue
        if root.lower_ in DETERMINERS:  # of a word that the parser did not take for a noun
            continue
        if root.lower_ in SUPERLATIVES:  # "the leftmost and the rightmost dog"
            place, _ = prenominal([token.lower_ for token in chunk] + ["one"])
            pending = (*pending, place) if place else pending
            continue
        text = _text_of(chunk)
        if text is not None and keywords and _is_content(chunk, chunks[-1]):
            keywords[-1] = replace(keywords[-1], text=_filled(keywords[-1].text, text))
            chunks[-1] = doc[chunks[-1].start : chunk.end]
            continue
        if text is not None and keywords and _is_colour_of(chunk, chunks[-1]):
            worn = keywords[-1].text
            worn = replace(
                worn,
                text=f"{worn.text} in {text.text}",
                modifiers=(*worn.modifiers, *text.text.split()),
            )
            keywords[-1] = replace(keywords[-1], text=worn)
            continue
        if text is not None and not any(map(str.isalnum, text.text)):
            continue  # a sign that the parser took for a noun
        if text is None or _is_scene_word(text):
            has_scene_words = True
            continue
        for place in pending:
            keywords.append(_Keyword(replace(text, places=(place,)), False, is_definite=True))
            chunks.append(chunk)
        pending = ()
        keywords.append(
            _Keyword(
                text,
                is_object=_is_object(root),
                is_definite=any(
                    word.lower_ in DETERMINERS - {"a", "an", "no"} and word.i != added
                    for word in chunk
                ),
            )
        )
        chunks.append(chunk)
    if not keywords and pronouns:
        count = pronouns[0] if len(pronouns) == 1 else None
        text = Text(PERSON if count else "people", PERSON, max_count=count)
        keywords.append(_Keyword(text, is_object=False, is_definite=True))
    return _Found(_placed(keywords, chunks, doc, carrier.places), has_scene_words)


def _noun_chunks(doc: Doc) -> list[Span]:
    """spaCy's, and nouns in a noun's place that it takes for adjectives: "a flock of geese"."""
    chunks = list(doc.noun_chunks)
    ends = {chunk.end for chunk in chunks}
    chunks += [
        doc[token.left_edge.i : token.i + 1]
        for token in doc
        if token.tag_ == "JJ"
        and token.is_alpha
        and token.dep_ in ("pobj", "dobj", "conj")
        and token.i + 1 not in ends
        if token.head.pos_ != "ADJ" and not any(child.dep_ == "prep" for child in token.children)
    ]
    return sorted(chunks, key=lambda chunk: chunk.start)


def _is_content(chunk: Span, container: Span) -> bool:
    """Whether a chunk says what is in the one before it: "coffee" of "a cup of coffee"."""
    is_bare = chunk[0].tag_ not in ("DT", "PRP$", "CD")
    between = chunk.doc[container.end : chunk.start].text
    return is_bare and between == "of" and container.root.lemma_.lower() in CONTAINERS | PORTIONS


def _is_colour_of(chunk: Span, worn: Span) -> bool:
    """Whether a chunk is the colour of the one before it: "red" of "the woman in red"."""
    return chunk.root.lower_ in COLOURS and chunk.doc[worn.end : chunk.start].text == "in"


def _filled(container: Text, content: Text) -> Text:
    """Name both: "a cup of coffee" is a cup; "a slice of pizza" is pizza."""
    head = content.head if container.head in PORTIONS else container.head
    return replace(container, text=f"{container.text} of {content.text}", head=head)


def _placed(
    keywords: list[_Keyword],
    chunks: Sequence[Span],
    doc: Doc,
    places: Sequence[tuple[int, Place]],
) -> list[_Keyword]:
    """Give the places to the keywords that they choose among."""
    for number, chunk in enumerate(chunks[1:], start=1):
        between = doc[chunks[number - 1].end : chunk.start].text
        relation = relation_between(between)
        is_object = keywords[number].is_object
        is_object = is_object or between in TOUCHING_WORDS
        if not relation and not is_object:
            continue
        keywords[number] = replace(keywords[number], is_object=True)
        place = Place(relation=relation or TOUCHING, anchor=keywords[number].text.text)
        _add_place(keywords, _governor(keywords, number - 1), place)
    for at, place in places:
        behind = [number for number, chunk in enumerate(chunks) if chunk.end_char <= at + 1]
        if keywords:
            _add_place(keywords, _governor(keywords, behind[-1] if behind else 0), place)
    return keywords


def _governor(keywords: Sequence[_Keyword], number: int) -> int:
    """The nearest keyword at or before this one that describes no other."""
    while number > 0 and keywords[number].is_object:
        number -= 1
    return number


def _add_place(keywords: list[_Keyword], number: int, place: Place) -> None:
    text = keywords[number].text
    keywords[number] = replace(keywords[number], text=replace(text, places=(*text.places, place)))


def _is_scene_word(text: Text) -> bool:
    """Whether it names the photo or a place in it, and not a thing in it."""
    if text.head in SCENE_WORDS:
        return True
    return text.head in PLACE_WORDS and PLACE_MODIFIERS.issuperset(text.modifiers)


def _text_of(chunk: Span) -> Text | None:
    """A noun chunk as a text.

    Returns:
        None for a measure whose noun follows ("a group of people") and for a quantity without
        a noun ("all").
    """
    root = chunk.root
    word = root.lower_
    if word in QUANTIFIERS | DETERMINERS | frozenset(NUMBERS):
        return None
    if word in MEASURES and any(child.lower_ == "of" for child in root.children):
        return None
    if word in SOMEONE:
        return Text(PERSON, PERSON)
    if word in EVERYONE:
        modifiers = _modifiers(chunk)
        return Text(" ".join([*modifiers, "people"]), PERSON, modifiers, _count(chunk))
    head = root.lemma_.lower()
    place, used = prenominal([token.lower_ for token in chunk])
    is_whole = any(token.lower_ in WHOLE and token.i < root.i for token in chunk)
    kept = [
        token
        for number, token in enumerate(chunk)
        if number not in used and token.lower_ not in WHOLE and not _is_left_out(token)
    ] or [root]
    text = spell_out("".join(token.lower_ + token.whitespace_ for token in kept).strip())
    modifiers = tuple(word for word in _modifiers(chunk) if word in text)
    if head != spell_out(head):  # of "drop of water" the first word names it, else the last
        *described, head = spell_out(head).partition(" of ")[0].split(" ")
        modifiers = (*modifiers, *described)
    if head in GROUPS_OF_PEOPLE | PAIRS and head != "pair":
        head = PERSON
    count = _count(chunk)
    if place and count is None and root.lemma_.lower() in SAME_IN_PLURAL:
        count = 1  # "the biggest fish"
    return Text(
        text,
        head,
        modifiers,
        count,
        places=(place,) if place else (),
        is_demanded=is_whole,
        part_of=_owner(chunk) if head in BODY_PARTS else "",
    )


def _owner(chunk: Span) -> str:
    """Whose part of a body a chunk names: "dog" of "the dog's head", "the head of the dog"."""
    for token in chunk:
        if token.dep_ == "poss" and token.pos_ in ("NOUN", "PROPN"):
            return str(token.lemma_.lower())
    for child in chunk.root.children:
        if child.lower_ == "of":
            for noun in child.children:
                if noun.pos_ in ("NOUN", "PROPN"):
                    return str(noun.lemma_.lower())
    return ""


def _modifiers(chunk: Span) -> tuple[str, ...]:
    return tuple(
        word
        for token in chunk
        if token.i < chunk.root.i
        and not _is_left_out(token)
        and token.tag_ not in ("CD", "POS", "CC", "RB", "HYPH")
        and not token.is_punct
        and token.lower_ not in NUMBERS
        for word in spell_out(token.lower_).split()
    )


def _is_left_out(token: Token) -> bool:
    """Determiners, possessive pronouns and quantifiers; a noun's possessor stays."""
    return (
        token.tag_ in ("DT", "PDT", "PRP$", "WP$", "WDT", "PRP")
        or token.lower_ in QUANTIFIERS
        or token.lower_ in DETERMINERS
    )


_BETWEEN_NOUNS = frozenset({"IN", "TO", "VBG", "VBN", "VBZ", "VBP", "VBD", "RB"})
"""Tags of the words that lead from a noun to one that describes it."""


def _is_object(root: Token) -> bool:
    """Whether it only describes another noun of the clause."""
    start = len(_CARRIER)
    governor = root
    while governor.dep_ in ("conj", "appos"):
        governor = governor.head
    if governor.dep_ not in ("pobj", "dobj", "pcomp"):
        return False
    noun = governor.head
    while noun.i >= start and noun.tag_ in _BETWEEN_NOUNS and noun.head.i != noun.i:
        noun = noun.head
    is_measured = noun.lower_ in MEASURES | QUANTIFIERS | frozenset(NUMBERS)
    return noun.i >= start and not is_measured and noun.tag_.startswith("NN")


def _count(chunk: Span) -> int | None:
    """How many boxes a noun chunk stands for at most; None for as many as are clear."""
    root = chunk.root
    before = [token.lower_ for token in chunk if token.i < root.i]
    measured = _measure_of(root)
    if "both" in before or measured in PAIRS:
        return 2
    for token in chunk:
        if token.i < root.i and token.head.i == root.i and (number := _number(token.lower_)):
            return number
    if measured in NUMBERS:
        return NUMBERS[measured]
    if root.lower_ in PAIRS:
        return 2
    if (
        measured in COLLECTIVES
        or root.lower_ in EVERYONE
        or root.lemma_.lower() in GROUPS_OF_PEOPLE | COLLECTIVES
    ):
        return None
    if not MANY.isdisjoint(before):
        return None
    if root.lemma_.lower() in SAME_IN_PLURAL and ONE_DETERMINERS.isdisjoint(before):
        return None
    is_plural = root.tag_ in ("NNS", "NNPS") and root.lemma_.lower() != root.lower_
    is_plural |= spell_out(root.lower_).startswith("drops of ")
    return None if is_plural else 1


def _measure_of(root: Token) -> str | None:
    """The word that counts this noun through "of": "couple" in "a couple of dogs"."""
    if root.dep_ != "pobj" or root.head.lower_ != "of":
        return None
    word = root.head.head.lower_
    return word if word in MEASURES | QUANTIFIERS | frozenset(NUMBERS) else None


def _number(word: str) -> int | None:
    if word in NUMBERS:
        return NUMBERS[word]
    if word.isascii() and word.isdigit() and 0 < int(word) < 1000:
        return int(word)
    return None
