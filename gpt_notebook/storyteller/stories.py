"""The stories: a scene is set, a plot is chosen, and the script is told in words that agree with both."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from gpt_notebook.storyteller import characters, words
from gpt_notebook.storyteller.characters import MOSTLY_KNOWN_NAMES, Character, Naming
from gpt_notebook.storyteller.plots import DRY_ENTRANCES, ENTRANCES, INTRODUCTIONS, PLOTS, Plot
from gpt_notebook.storyteller.words import Setting, Thing

if TYPE_CHECKING:
    from random import Random

INNERMOST_CHOICE = re.compile(r"\[([^\[\]]*)\]")
NEXT_BEAT = re.compile(r"\n(?!\| )")
# After `!"` or `?"` a small letter may go on with the sentence, as in: "Where is it?" asked the fox.
SENTENCE_START = re.compile(r'(?:^|[.!?] |\." )"?[a-z]')

SLOT = re.compile(r"\{[^}]*\}")
WORD = re.compile(r"\w+")

DIALOGUE_SHARE = 0.12
POLITE_SHARE = 0.15
WEATHER_SHARE = 0.4
OPTIONAL_BEAT_SHARE = 0.5
THE_END_SHARE = 0.1


@dataclass(frozen=True)
class Scene:
    """All that a story has to remember while it is told."""

    setting: Setting
    hero: Character
    friend: Character
    helper: Character
    home: str
    spot: str
    corner: str
    nook: str
    day: str
    morning: str
    thing: Thing
    fragile: Thing
    fear: str
    skill: str
    food: str
    flower: str
    first_ingredient: str
    second_ingredient: str
    third_ingredient: str


@dataclass(frozen=True)
class Tale:
    """A story together with the scene and the plot it was told from."""

    scene: Scene
    plot: Plot
    paragraphs: tuple[str, ...]


def set_scene(random: Random, name_for: Naming) -> Scene:
    """Choose a place, its people and everything they will need."""
    setting = random.choice(words.SETTINGS)
    helper_kind = random.choice([kind for kind in setting.creatures if kind not in characters.YOUNG])
    hero_kind, friend_kind = random.sample(sorted({*setting.creatures} - {helper_kind}), 2)
    individual, pair = partial(characters.individual, name_for=name_for), partial(characters.pair, name_for=name_for)
    make_hero = random.choices((individual, characters.stranger, pair), weights=(72, 14, 14))[0]
    spot, corner, nook = random.sample(setting.spots, 3)
    first_ingredient, second_ingredient, third_ingredient = random.sample(words.INGREDIENTS, 3)
    things, fragile_things = (words.THINGS, words.FRAGILE) if setting.dry else (words.SEA_THINGS, words.SEA_FRAGILE)
    hero, friend = make_hero(random, hero_kind), individual(random, friend_kind)
    while friend.name in hero.name:
        friend = individual(random, friend_kind)
    return Scene(
        setting=setting,
        hero=hero,
        friend=friend,
        helper=characters.stranger(random, helper_kind, characters.OLD_ADJECTIVES),
        home=random.choice(setting.homes),
        spot=spot,
        corner=corner,
        nook=nook,
        day=random.choice(words.DAYS),
        morning=random.choice(words.MORNINGS if setting.dry else words.SEA_MORNINGS),
        thing=words.some_thing(random, things),
        fragile=words.some_thing(random, fragile_things),
        fear=random.choice(words.FEARS if setting.dry else words.SEA_FEARS),
        skill=random.choice(words.SKILLS),
        food=random.choice(words.FOODS if setting.dry else words.SEA_FOODS),
        flower=random.choice(words.FLOWERS),
        first_ingredient=first_ingredient,
        second_ingredient=second_ingredient,
        third_ingredient=third_ingredient,
    )


def write(random: Random, template: str, scene: Scene) -> str:
    """Turn a template into text: make its choices, fill in the scene, and begin every sentence with a capital."""
    while "[" in template:
        template = INNERMOST_CHOICE.sub(lambda choice: random.choice(choice[1].split("|")), template)
    text = " ".join(template.format_map(vars(scene)).split())
    return SENTENCE_START.sub(lambda start: start[0].upper(), text)


@cache
def read(script: str) -> tuple[tuple[str, ...], ...]:
    """Split a script into its paragraphs, and each paragraph into beats."""
    return tuple(tuple(NEXT_BEAT.split(paragraph)) for paragraph in script.strip().split("\n\n"))


def tell(random: Random, script: str, scene: Scene) -> list[str]:
    """Tell a script as paragraphs, choosing the beats to leave out and the wording of all others."""
    paragraphs = []
    for beats in read(script):
        told = [
            write(random, random.choice(beat.removeprefix("? ").split("\n| ")), scene)
            for beat in beats
            if not beat.startswith("? ") or random.random() < OPTIONAL_BEAT_SHARE
        ]
        paragraphs.append(" ".join(told))
    return paragraphs


def begin(random: Random, scene: Scene) -> str:
    """Tell how the story begins: with the hero, with the weather, or right away with the plot."""
    alone = scene.hero.pronouns is not characters.THEY
    entrances = DRY_ENTRANCES if scene.setting.dry and random.random() < WEATHER_SHARE else ENTRANCES
    script = random.choices((INTRODUCTIONS, entrances, ""), weights=(60, 22, 18 if alone else 0))[0]
    return tell(random, script, scene)[0] if script else ""


def tale(random: Random, name_for: Naming = MOSTLY_KNOWN_NAMES) -> Tale:
    """Make up one tale."""
    scene = set_scene(random, name_for)
    alone = scene.hero.pronouns is not characters.THEY
    plot = random.choice([
        plot for plot in PLOTS if (scene.setting.dry or not plot.dry) and (alone or not plot.alone)
    ])  # fmt: skip
    opening, *rest = tell(random, plot.script, scene)
    ending = ("The end.",) if random.random() < THE_END_SHARE else ()
    return Tale(scene, plot, (f"{begin(random, scene)} {opening}".strip(), *rest, *ending))


REQUESTS = (
    "[Tell me|Please tell me|I would like|I want] a story about {hero.asked_for}.",
    "[Can you|Could you|Will you] [please |]tell me a story about {hero.asked_for}?",
    "[Tell me|Please tell me] a [short |bedtime |]story about {hero.named}.",
    "[Tell me|Please tell me] a story about {hero.a}[| and {friend.a}].",
    "[Write|Make up|Tell] a [little |short |]story about {hero.asked_for}.",
    "[Tell me|Please tell me] a [story|bedtime story|little story].",
    "[Tell me|I want|Please write] a story about ABOUT.",
    "[Do you know a story|Can you tell me a story] about ABOUT?",
    "[Tell me about|I want to hear about] {hero.asked_for}.",
    "[Tell me|Write|I want] a story [about|from] {setting.name}.",
)
GREETINGS = (
    ("[Hello|Hi|Hello there|Good evening|Good morning]!", "Hello! Would you like to hear a story?"),
    ("[Who are you?|What is your name?|What are you?]", "I am a little storyteller. I tell short stories."),
    ("What can you do?", "I can tell you a story. Just tell me who it should be about."),
    ("How are you?", "I am well, thank you! Shall I tell you a story?"),
)
FAREWELLS = (
    ("[Thank you|Thanks|That was nice|What a lovely story]!", "You are welcome! Good night and sweet dreams."),
    ("[Good night|Goodbye|Bye]!", "[Good night! Sleep well.|Goodbye! Come back soon.]"),
)
QUESTIONS_ABOUT_NAMES = (
    ("[Who|What] {hero.was} {hero}?", "{hero} {hero.was} {hero.a}."),
    ("What was the [name of the {hero.kind}|{hero.kind} called]?", "The {hero.kind} {hero.was} named {hero}."),
)
QUESTION_ABOUT_HOME = ("Where did {hero} live?", "{hero} lived {home}.")


def is_told(template: str, scene: Scene, text: str) -> bool:
    """Tell whether all that a template fills in was mentioned in the text, word by word."""
    told = set(WORD.findall(text.lower()))
    return all(told.issuperset(WORD.findall(slot.format_map(vars(scene)).lower())) for slot in SLOT.findall(template))


def questions(random: Random, told: Tale, text: str) -> list[tuple[str, str]]:
    """Choose what a listener asks about a tale: only what the tale has answered."""
    about_names = QUESTIONS_ABOUT_NAMES if told.scene.hero.has_name else ()
    possible = [
        (question, answer)
        for question, answer in (*told.plot.questions, *about_names, QUESTION_ABOUT_HOME)
        if is_told(question + answer, told.scene, text)
    ]
    return random.sample(possible, min(len(possible), random.choice((0, 0, 1, 1, 2, 3))))


def dialogue(random: Random, name_for: Naming = MOSTLY_KNOWN_NAMES) -> str:
    """Make up a talk in which someone asks for a tale, and perhaps about it."""
    told = tale(random, name_for)
    text = " ".join(told.paragraphs)
    request = random.choice(REQUESTS).replace("ABOUT", random.choice(told.plot.about))
    before = [random.choice(GREETINGS)] if random.random() < POLITE_SHARE else []
    after = [random.choice(FAREWELLS)] if random.random() < POLITE_SHARE else []
    # The tale is written already, and writing it once more changes nothing.
    exchanges = [*before, (request, text), *questions(random, told, text), *after]
    return "".join(
        f"User: {write(random, question, told.scene)}\nAssistant: {write(random, answer, told.scene)}\n\n"
        for question, answer in exchanges
    )


def story(random: Random, name_for: Naming = MOSTLY_KNOWN_NAMES) -> str:
    """Make up one document: mostly a tale, and now and then a talk in which a tale is asked for."""
    if random.random() < DIALOGUE_SHARE:
        return dialogue(random, name_for)
    return random.choice(("\n\n", " ")).join(tale(random, name_for).paragraphs)
