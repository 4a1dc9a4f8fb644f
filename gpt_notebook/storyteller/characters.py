"""The characters of the stories: what they are, what they are called, and the pronouns that agree with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


def with_article(words: str) -> str:
    """Put "a" or "an" before a phrase, as its first letter asks."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


@dataclass(frozen=True, slots=True)
class Pronouns:
    """The small words that must agree with a character."""

    they: str
    them: str
    their: str
    themself: str
    was: str = "was"
    i: str = "I"
    am: str = "I am"
    me: str = "me"
    my: str = "my"


HE = Pronouns("he", "him", "his", "himself")
SHE = Pronouns("she", "her", "her", "herself")
IT = Pronouns("it", "it", "its", "itself")
THEY = Pronouns("they", "them", "their", "themselves", was="were", i="we", am="we are", me="us", my="our")


@dataclass(frozen=True, slots=True)
class Character:
    """Someone in a story: `Pip`, `the old king`, or `Tom and Mia`."""

    name: str
    kind: str
    adjective: str
    pronouns: Pronouns
    named: str
    """How the narrator introduces the character: `a little fox named Pip`."""
    asked_for: str
    """How a listener asks for the character, leaving the adjective to the narrator: `a fox named Pip`."""
    titled: str
    """How the character enters a story that is under way: `Pip the fox`."""

    def __format__(self, _: str) -> str:
        """Write the name, which is how a story mostly calls its characters."""
        return self.name

    @property
    def has_name(self) -> bool:
        """Whether the character goes by a name of its own, and not by what it is."""
        return not self.name.startswith("the ")

    @property
    def dear(self) -> str:
        """How to speak to the character: `Pip`, or `dear fox` to one without a name."""
        return self.name if self.has_name else f"dear {self.kind}"

    @property
    def a(self) -> str:
        """The kind of character, with an article where there is one of it: `a fox` or `two foxes`."""
        return f"two {self.kind}" if self.pronouns is THEY else with_article(self.kind)

    def __getattr__(self, word: str) -> str:
        """Let a template write `{hero.their}` for the pronoun that agrees."""
        return str(getattr(self.pronouns, word))


FEMALE = frozenset({"girl", "queen", "princess", "grandmother", "mermaid", "hen", "cow"})
MALE = frozenset({"boy", "king", "prince", "wizard", "giant", "knight"})
HUMANS = frozenset({
    "girl", "boy", "queen", "king", "princess", "prince", "grandmother", "wizard", "knight", "cook", "baker", "farmer",
    "clockmaker", "painter",
})  # fmt: skip
YOUNG = frozenset({"girl", "boy", "princess", "prince"})
PLURALS = {"mouse": "mice", "fish": "fish", "fox": "foxes", "goose": "geese", "sheep": "sheep", "wolf": "wolves"}

ADJECTIVES = ("little", "small", "young", "brave", "kind", "shy", "curious", "cheerful", "clever", "gentle", "quiet",
              "tiny", "lonely", "happy", "funny", "friendly")  # fmt: skip
OLD_ADJECTIVES = ("old", "wise old", "kind old", "very old")

PET_NAME_SHARE = 0.7
SYLLABLE_NAME_SHARE = 0.4
GIRLS = ("Lily", "Mia", "Anna", "Emma", "Ella", "Nora", "Rosa", "Lucy", "Ida", "Clara", "Ruby", "Maya", "Alice", "Zoe",
         "Lena", "Sara", "Eva", "Hana", "Priya", "Amina", "Greta", "Elsa", "Sofia", "Julia", "Marta", "Yuki", "Leila",
         "Olga", "Ingrid", "Zoë", "Chloé", "Daisy", "Molly", "Grace", "Nina", "Tara", "Mary", "Jane", "Kate")  # fmt: skip
BOYS = ("Tom", "Ben", "Max", "Sam", "Leo", "Jack", "Tim", "Noah", "Finn", "Oscar", "Paul", "Hugo", "Omar", "Ravi",
        "Karl", "Emil", "Nico", "Adam", "Peter", "Felix", "Jonas", "Kenji", "Luis", "Ivan", "Otto", "Theo", "David",
        "Daniel", "Jürgen", "José", "Robin", "Henry", "George", "Will", "Ali", "Erik", "Tomás", "Fred")  # fmt: skip
PETS = ("Pip", "Momo", "Bramble", "Tumble", "Nibbles", "Hazel", "Pepper", "Biscuit", "Button", "Clover", "Dot", "Fern",
        "Ginger", "Juniper", "Maple", "Nutmeg", "Olive", "Pebble", "Poppy", "Rusty", "Sunny", "Tiko", "Toffee", "Willow",
        "Ziggy", "Bolt", "Coco", "Luna", "Bubbles", "Pearl", "Whiskers", "Snowy", "Patch", "Sprout")  # fmt: skip

ONSETS = ("B", "Bl", "Br", "C", "Ch", "Cl", "D", "Dr", "F", "Fl", "G", "Gr", "H", "J", "K", "Kr", "L", "M", "N", "P", "Pl",
          "Qu", "R", "S", "Sh", "Sk", "St", "T", "Th", "Tr", "V", "W", "Y", "Z", "A", "E", "I", "O", "U")  # fmt: skip
VOWELS = (*"aaaaeeeeiiiioooouuu", "ai", "ee", "oo", "ia", "é", "ö")
MIDDLES = (*"bdfgklmnprstvz", "ll", "nd", "rt", "sk", "mb", "nn", "tt")
CODAS = ("", "", "", "", "n", "l", "r", "s", "x", "m", "k", "t", "ck", "sh", "nt", "ff", "ld", "by", "ko", "ri")
LETTERS = "abcdefghijklmnopqrstuvwxyzáéñöü"


def syllable_name(random: Random) -> str:
    """Build a name nobody has heard before, so that the model must learn to copy names, not to know them."""
    onset = random.choice(ONSETS)
    first = onset if onset in "AEIOU" else onset + random.choice(VOWELS)
    middle = "".join(random.choice(MIDDLES) + random.choice(VOWELS) for _ in range(random.choice((0, 1, 1, 1, 2))))
    return first + middle + (random.choice(CODAS) or random.choice(("", "", "na", "lo", "mi")))


def any_name(random: Random) -> str:
    """Build a name that follows no rule, as names from other lands may seem to, or else one of syllables."""
    if random.random() < SYLLABLE_NAME_SHARE:
        return syllable_name(random)
    letters = (random.choice(random.choice((LETTERS, LETTERS, "aeiou"))) for _ in range(random.randint(3, 9)))
    return "".join(letters).capitalize()


@dataclass(frozen=True, slots=True)
class Naming:
    """A custom of giving names: how often a new one is made up, and how."""

    new_share: float
    new_name: Callable[[Random], str]

    def __call__(self, random: Random, kind: str, pronouns: Pronouns) -> str:
        """Choose a name that suits a creature, unless a new one is made up."""
        if random.random() < self.new_share:
            return self.new_name(random)
        if kind not in HUMANS and random.random() < PET_NAME_SHARE:
            return random.choice(PETS)
        return random.choice(BOYS if pronouns is HE else GIRLS)


SYLLABLE_NAMES = Naming(0.55, syllable_name)
ALL_SORTS_OF_NAMES = Naming(0.55, any_name)
MOSTLY_KNOWN_NAMES = Naming(0.25, syllable_name)


def pronouns_for(random: Random, kind: str) -> Pronouns:
    """Choose the pronouns of one creature."""
    if kind in FEMALE:
        return SHE
    if kind in MALE:
        return HE
    if kind in HUMANS:
        return random.choice((HE, SHE))
    return random.choice((HE, HE, SHE, SHE, IT))


def individual(random: Random, kind: str, name_for: Naming) -> Character:
    """Make one creature with a name of its own."""
    pronouns = pronouns_for(random, kind)
    adjective, name = random.choice(ADJECTIVES), name_for(random, kind, pronouns)
    called = random.choice(("named", "named", "called"))
    return Character(
        name=name,
        kind=kind,
        adjective=adjective,
        pronouns=pronouns,
        named=f"{with_article(f'{adjective} {kind}')} {called} {name}",
        asked_for=f"{with_article(kind)} {called} {name}",
        titled=f"{name} the {kind}",
    )


def stranger(random: Random, kind: str, adjectives: tuple[str, ...] = (*ADJECTIVES, "old")) -> Character:
    """Make one creature without a name: `the old owl`."""
    adjective = random.choice(adjectives)
    title = random.choice((kind, kind, f"{adjective.split()[-1]} {kind}"))
    return Character(
        name=f"the {title}",
        kind=kind,
        adjective=adjective,
        pronouns=pronouns_for(random, kind),
        named=with_article(f"{adjective} {kind}"),
        asked_for=with_article(kind),
        titled=f"the {adjective} {kind}",
    )


def pair(random: Random, kind: str, name_for: Naming) -> Character:
    """Make two characters that act as one: `Tom and Mia`."""
    first_pronouns, second_pronouns = random.choice((HE, SHE)), random.choice((HE, SHE))
    first = name_for(random, kind, first_pronouns)
    second = name_for(random, kind, second_pronouns)
    while second == first:
        second = name_for(random, kind, second_pronouns)
    adjective = random.choice(ADJECTIVES)
    kinds = "children" if kind in HUMANS else PLURALS.get(kind, f"{kind}s")
    sibling = "sister" if second_pronouns is SHE else "brother"
    relation = random.choice((sibling, sibling, "friend"))
    return Character(
        name=f"{first} and {second}",
        kind=kinds,
        adjective=adjective,
        pronouns=THEY,
        named=f"two {adjective} {kinds} named {first} and {second}",
        asked_for=f"two {kinds} named {first} and {second}",
        titled=f"{first} and {first_pronouns.their} {relation} {second}",
    )
