"""The words of the stories: the places, what is to be found there, and what happens to be dear, frightening or tasty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpt_notebook.storyteller.characters import with_article

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True)
class Thing:
    """Something to wish for, to lose, to break or to share."""

    adjective: str
    noun: str

    def __format__(self, _: str) -> str:
        """Write the bare noun: `kite`."""
        return self.noun

    @property
    def full(self) -> str:
        """The noun with its adjective: `red kite`."""
        return f"{self.adjective} {self.noun}"

    @property
    def a(self) -> str:
        """The thing when it is new to the story: `a red kite`."""
        return with_article(self.full)


@dataclass(frozen=True, slots=True)
class Setting:
    """A place with the creatures that live there and the corners where things get lost."""

    name: str
    homes: tuple[str, ...]
    creatures: tuple[str, ...]
    spots: tuple[str, ...]
    went: str = "walked"
    dry: bool = True


SETTINGS = (
    Setting(
        "the forest",
        ("in the deep forest", "in a green forest", "at the edge of the forest", "in a hollow tree"),
        ("fox", "rabbit", "owl", "bear", "hedgehog", "squirrel", "deer", "badger", "mouse", "wolf", "girl", "boy"),
        ("under the old oak", "behind the tall ferns", "near the mossy stones", "beside the stream", "in the leaves"),
    ),
    Setting(
        "the sea",
        ("deep under the sea", "in the deep blue sea", "on a coral reef", "in a quiet bay"),
        ("fish", "crab", "whale", "turtle", "octopus", "seal", "dolphin", "starfish", "mermaid"),
        ("behind the coral", "under a flat rock", "among the seaweed", "inside an old ship", "on the sandy floor"),
        went="swam",
        dry=False,
    ),
    Setting(
        "the village",
        ("in a small village", "in a village by the river", "in a little house by the sea", "near the old mill"),
        ("girl", "boy", "cat", "dog", "baker", "farmer", "grandmother", "goose", "girl", "boy"),
        ("behind the mill", "under the bridge", "beside the well", "near the baker's shop", "in the tall grass"),
    ),
    Setting(
        "the castle",
        ("in a castle on a hill", "in a white castle", "in a faraway kingdom", "in a tall stone tower"),
        ("king", "queen", "prince", "princess", "knight", "dragon", "cook", "cat", "wizard"),
        ("behind the throne", "under the long table", "in the rose garden", "in the tower", "beside the gate"),
    ),
    Setting(
        "the farm",
        ("on a sunny farm", "in a red barn", "on a farm near the hills", "by a quiet pond"),
        ("duck", "pig", "hen", "cow", "horse", "goat", "sheep", "dog", "farmer", "donkey", "girl", "boy"),
        ("behind the barn", "under the hay", "near the pond", "beside the fence", "in the apple orchard"),
    ),
    Setting(
        "the mountains",
        ("high in the mountains", "in a cave on a mountain", "in a snowy valley", "in a land of ice and snow"),
        ("bear", "goat", "eagle", "dragon", "giant", "penguin", "fox", "wolf", "hare", "rabbit"),
        ("behind a big rock", "under the tall pine", "near the frozen lake", "inside a cave", "in the soft snow"),
    ),
    Setting(
        "the garden",
        ("in a quiet garden", "in a garden full of flowers", "under a rose bush", "behind the garden wall"),
        ("mouse", "frog", "bee", "snail", "butterfly", "ladybug", "hedgehog", "bird", "cat", "ant", "girl", "boy"),
        (
            "under the rose bush",
            "behind the stone wall",
            "near the watering can",
            "among the daisies",
            "beside the shed",
        ),
    ),
    Setting(
        "the city",
        ("in a big city", "in a busy town", "at the top of a tall house", "in a workshop full of tools"),
        ("robot", "girl", "boy", "cat", "dog", "clockmaker", "pigeon", "mouse", "robot", "painter"),
        ("behind the clock shop", "under a park bench", "near the fountain", "beside the bakery", "on the old stairs"),
    ),
)

THINGS: dict[str, tuple[str, ...]] = {
    "red": ("kite", "ball", "scarf", "balloon", "boat", "hat"),
    "blue": ("lantern", "kite", "ribbon", "cup", "button", "umbrella"),
    "silver": ("bell", "whistle", "coin", "spoon", "key", "ring"),
    "golden": ("key", "bell", "feather", "crown", "leaf", "ring"),
    "wooden": ("boat", "drum", "horse", "flute", "top", "box"),
    "tiny": ("mirror", "drum", "clock", "bell", "book", "lamp"),
    "old": ("map", "clock", "violin", "book", "lantern", "compass"),
    "yellow": ("umbrella", "kite", "hat", "blanket", "balloon", "ball"),
    "green": ("marble", "scarf", "ribbon", "lamp", "stone", "cup"),
    "shiny": ("pearl", "marble", "stone", "shell", "button", "trumpet"),
}
SEA_THINGS: dict[str, tuple[str, ...]] = {
    "white": ("pearl", "shell", "stone"),
    "silver": ("bell", "coin", "spoon", "key", "ring"),
    "golden": ("key", "ring", "crown", "cup"),
    "shiny": ("pearl", "shell", "marble", "mirror"),
    "blue": ("shell", "stone", "bottle"),
}

FRAGILE: dict[str, tuple[str, ...]] = {
    "blue": ("cup", "vase", "lantern", "lamp"),
    "old": ("clock", "violin", "lantern", "mirror"),
    "tiny": ("mirror", "clock", "lamp", "vase"),
    "wooden": ("boat", "drum", "horse", "flute"),
    "green": ("plate", "lamp", "cup", "bottle"),
    "golden": ("crown", "cup", "clock"),
}
SEA_FRAGILE: dict[str, tuple[str, ...]] = {
    "white": ("shell", "cup", "vase"),
    "shiny": ("mirror", "bottle", "shell"),
    "green": ("bottle", "lamp"),
    "golden": ("cup", "crown"),
}

DAYS = ("one day", "one morning", "one evening", "one afternoon", "then one day", "but one day", "one quiet day",
        "early one morning", "late one evening")  # fmt: skip
MORNINGS = ("on a cold morning", "on a sunny morning", "one winter morning", "on a bright spring day", "one rainy day",
            "on a warm summer day", "one autumn morning", "on a windy day", "on a foggy morning")  # fmt: skip
SEA_MORNINGS = ("one quiet morning", "on a bright morning", "on a cold morning", "on a calm day", "one stormy day")
FEARS = ("the dark", "thunder", "loud noises", "high places", "deep water", "spiders")
SEA_FEARS = ("the dark", "sharks", "loud noises", "strong waves", "cold water")
SKILLS = ("sing", "dance", "whistle", "paint", "read", "juggle", "tell jokes", "play the drum", "count to a hundred",
          "write", "draw", "play the flute")  # fmt: skip
SEA_FOODS = ("seaweed soup", "kelp cake", "sea grape pie", "salty bread", "sea stew", "green soup")
FOODS = ("apple pie", "honey cake", "carrot soup", "potato soup", "berry pie", "warm bread", "pumpkin soup", "nut cake",
         "pear cake", "onion soup", "mushroom soup", "cheese pie")  # fmt: skip
INGREDIENTS = ("a bag of flour", "a jar of honey", "a basket of apples", "some butter", "a pinch of salt", "six eggs",
               "a jug of milk", "a bunch of carrots", "a bowl of berries", "some sweet nuts")  # fmt: skip
FLOWERS = ("sunflower", "rose", "tulip", "apple tree", "bean plant", "pumpkin", "daisy", "cherry tree", "lily")


def some_thing(random: Random, things: dict[str, tuple[str, ...]]) -> Thing:
    """Choose one of the things that go together with their adjectives."""
    adjective = random.choice(tuple(things))
    return Thing(adjective, random.choice(things[adjective]))
