"""The words of prompts that are not things to look for, and what they mean instead."""

from __future__ import annotations

PERSON = "person"

EVERYONE = frozenset({"everyone", "everybody", "people", "folk", "folks", "persons", "humans"})
"""People, as many as there are."""

SOMEONE = frozenset({"someone", "somebody", "anyone", "anybody", "whoever"})
"""One person, whichever."""

GROUPS_OF_PEOPLE = frozenset(
    {"crowd", "family", "team", "audience", "group", "crew", "choir", "orchestra", "duo"}
    | {"trio", "throng", "police"}
)
"""One word for several people: as many as are clear."""

PAIRS = frozenset({"couple", "pair", "duo", "both", "twins", "newlyweds"})
"""Two of what follows; two people where nothing follows."""

MEASURES = frozenset(
    {"group", "couple", "pair", "bunch", "herd", "flock", "pack", "team", "crowd", "lot", "lots"}
    | {"dozen", "dozens", "handful", "row", "line", "set", "pile", "stack", "heap", "school"}
    | {"swarm", "band", "gang", "cluster", "collection", "number", "variety", "assortment", "trio"}
    | {"family", "litter", "couples", "groups", "hundreds", "load", "loads", "plenty", "kind"}
    | {"kinds", "sort", "type", "part", "parts", "rest", "majority", "few", "class"}
)
"""Before "of" they count what follows and are not searched for themselves."""

NUMBERS = {
    "one": 1,
    "two": 2,
    "three": 3,
    "trio": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "dozen": 12,
}

QUANTIFIERS = frozenset(
    {"all", "both", "some", "several", "many", "few", "every", "each", "any", "more", "most"}
    | {"various", "multiple", "numerous", "countless", "other", "another", "own", "same", "such"}
)
"""Left out of a keyword's text."""

MANY = frozenset(
    {"all", "some", "several", "many", "few", "every", "each", "most", "various", "multiple"}
    | {"numerous", "countless"}
)
"""As many as are clear, whatever the noun's number."""

SAME_IN_PLURAL = frozenset({"sheep", "fish", "deer", "cattle", "livestock", "wildlife"})
"""Without "a" or a number they may mean several."""

COLLECTIVES = frozenset({"herd", "flock", "swarm", "crowd"})
"""Standing alone they mean several of what is not named."""

DETERMINERS = frozenset(
    {"the", "a", "an", "this", "that", "these", "those", "my", "your", "his", "her", "its", "our"}
    | {"their", "no"}
)

ONE_DETERMINERS = frozenset({"a", "an", "one", "this", "that"})

SCENE_WORDS = frozenset(
    {"photo", "photograph", "picture", "image", "pic", "shot", "snapshot", "closeup", "close-up"}
    | {"view", "scene", "scenery", "background", "foreground", "backdrop", "composition", "crop"}
    | {"framing", "zoom", "viewer", "camera angle", "screenshot", "selfie"}
)
"""They name the photo or a plane of it, however they are described."""

PLACE_WORDS = frozenset(
    {"left", "right", "side", "top", "bottom", "middle", "center", "centre", "corner", "front"}
    | {"back", "rear", "edge", "end", "distance", "half", "area", "region", "section", "portion"}
    | {"focus", "attention", "subject", "way", "bit", "thing", "part", "rest", "something"}
    | {"anything", "everything", "nothing", "frame", "border", "third", "thirds", "one", "ones"}
    | {"detail", "details", "kind", "sort", "type", "stuff", "place", "spot", "up"}
)
"""They name a place in the photo, unless they are described as a thing is ("pink top")."""

PLACE_MODIFIERS = frozenset(
    {"left", "right", "far", "very", "upper", "lower", "top", "bottom", "main", "other", "whole"}
    | {"front", "back", "center", "centre", "central", "entire", "same", "hand", "close", "near"}
    | {"nearest", "farthest", "extreme", "opposite", "same", "good", "nice", "best", "right-hand"}
    | {"left-hand", "only", "sharp", "small", "large", "big", "full", "own", "important", "single"}
)

FUNCTION_WORDS = (
    DETERMINERS
    | QUANTIFIERS
    | EVERYONE
    | SOMEONE
    | frozenset(NUMBERS)
    | frozenset({"of", "in", "on", "at", "by", "with", "from", "to", "for", "and", "or", "but"})
    | frozenset({"near", "next", "behind", "under", "over", "between", "beside", "along", "around"})
    | frozenset({"across", "inside", "outside", "above", "below", "as", "than", "is", "are"})
    | frozenset({"i", "you", "he", "she", "it", "we", "they", "me", "him", "us", "them"})
    | frozenset({"who", "what", "where", "which", "whatever", "there", "here", "lots", "hers"})
    | frozenset({"everything", "something", "anything", "nothing", "mine", "yours", "theirs"})
)
"""A clause that starts with one of these gets no "the" before it is parsed."""

PEOPLE_PRONOUNS = {
    "him": 1,
    "her": 1,
    "he": 1,
    "she": 1,
    "me": 1,
    "i": 1,
    "you": 1,
    "us": None,
    "we": None,
    "them": None,
    "they": None,
}
"""A person, or several, where a prompt names nothing else ("focus on him")."""

ONES = frozenset({"one", "ones"})
"""They stand for a thing named before, or for a person."""

WHOLE = frozenset({"whole", "entire", "complete"})
"""Before a noun: it must not be cut off."""

CONTAINERS = frozenset(
    {"bowl", "cup", "glass", "mug", "plate", "bottle", "jar", "basket", "bucket", "box", "bag"}
    | {"pot", "pitcher", "carton", "tray", "bouquet"}
)
"""With "of" and a bare noun one thing: "a cup of coffee"."""

PORTIONS = frozenset({"slice", "piece", "loaf", "scoop"})
"""The same, but what it is is named by the noun: "a slice of pizza"."""

BODY_PARTS = frozenset(
    {"face", "head", "eye", "ear", "nose", "mouth", "neck", "leg", "foot", "hair", "body", "chest"}
    | {"belly", "skin", "tail", "paw", "fur", "beak", "snout", "mane", "smile", "hand", "arm"}
    | {"wing", "horn", "antler", "hoof", "knee", "elbow", "shoulder", "finger", "toe", "chin"}
    | {"forehead", "cheek", "lip", "tooth", "torso", "waist", "hip", "feather", "trunk", "toes"}
)
"""What a model may know only with the whole to which it belongs."""

ANIMAL_PARTS = frozenset(
    {"tail", "paw", "fur", "beak", "snout", "mane", "wing", "horn", "antler", "hoof", "feather"}
    | {"trunk"}
)
"""Those that no person has."""

COLOURS = frozenset(
    {"red", "blue", "green", "yellow", "white", "black", "pink", "purple", "orange", "brown"}
    | {"grey", "gray", "beige", "gold", "silver", "turquoise", "violet"}
)
"""What people are dressed in: "the woman in red"."""
