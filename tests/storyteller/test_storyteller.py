"""The bundled model: its stories hold together, its tokenizer loses nothing, and it remembers who it talks about."""

from __future__ import annotations

import re
from itertools import islice
from random import Random

import pytest

from gpt_notebook import storyteller
from gpt_notebook.storyteller import characters
from gpt_notebook.storyteller.stories import dialogue, story, tale

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from gpt_notebook.storyteller import evaluate  # noqa: E402 - needs torch

MEGABYTE = 2**20
DIALOGUE = re.compile(r"(User: [^\n]+\nAssistant: [^\n]+\n\n)+")


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(storyteller.path())


@pytest.fixture(scope="module")
def model():
    # On a busy machine, threads of so small a model mostly wait for each other.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield transformers.AutoModelForCausalLM.from_pretrained(storyteller.path()).eval()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tales():
    return [tale(Random(seed)) for seed in range(2000)]


def test_the_same_seed_tells_the_same_story():
    first, again = ([story(Random(seed)) for seed in range(50)] for _ in range(2))

    assert first == again
    assert len(set(first)) == len(first)


def test_no_template_is_left_open():
    for seed in range(2000):
        assert not re.search(r"[{}\[\]|]|  ", story(Random(seed)))


@pytest.mark.parametrize(
    ("pronouns", "foreign"),
    [(characters.HE, {"she", "her", "hers", "herself"}), (characters.SHE, {"he", "him", "his", "himself"})],
)
def test_pronouns_agree_with_everyone_in_the_story(tales, pronouns, foreign):
    told = [
        told
        for told in tales
        if all(who.pronouns is pronouns for who in (told.scene.hero, told.scene.friend, told.scene.helper))
    ]

    assert len(told) > 50
    for one in told:
        assert foreign.isdisjoint(re.findall(r"\w+", " ".join(one.paragraphs).lower()))


def test_verbs_agree_with_the_number_of_heroes(tales):
    for told in tales:
        wrong = "was" if told.scene.hero.pronouns is characters.THEY else "were"
        assert f"{told.scene.hero.name} {wrong} " not in " ".join(told.paragraphs)


def test_a_pair_speaks_of_itself_as_we(tales):
    for told in tales:
        if told.scene.hero.pronouns is characters.THEY:
            speech = re.findall(rf'"([^"]*)" (?:said|cried|asked) {told.scene.hero.name}', " ".join(told.paragraphs))
            assert not re.search(r"\b(I|me|my)\b", " ".join(speech))


def test_dialogues_follow_the_plain_template():
    for seed in range(300):
        assert DIALOGUE.fullmatch(dialogue(Random(seed)))


@pytest.mark.parametrize(
    "text",
    ["", " ", "Once upon a time", "  two  spaces , and 's n't .\n\n\ttab\r\n", "naïve café, „Grüße“", "日本語のテキスト", "🦊👩🏽‍🚀\u200d\ufeff\0", "<b>&amp;</b> مرحبا"],
)  # fmt: skip
def test_any_text_survives_the_tokenizer(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_random_unicode_survives_the_tokenizer(tokenizer):
    random = Random(0)
    for _ in range(200):
        code_points = (random.randrange(0x110000) for _ in range(40))
        text = "".join(chr(point) for point in code_points if not 0xD800 <= point < 0xE000)
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_model_is_small_and_free_of_surprises(model, tokenizer):
    assert (storyteller.path() / "model.safetensors").stat().st_size <= 16 * MEGABYTE
    assert model.dtype == torch.float32
    assert not model.generation_config.do_sample
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id == tokenizer.bos_token_id
    assert tokenizer.chat_template is None
    assert model.config.vocab_size == len(tokenizer)


@pytest.mark.parametrize(
    ("opening", "name"),
    [
        ("Once upon a time there was a little fox named Pip.", "Pip"),
        ("Lily wanted", "Lily"),
        ("Once upon a time there was a frog named Guillermo.", "Guillermo"),
        ("On a cold morning, Bramble the bear", "Bramble"),
    ],
)
def test_a_name_is_kept_to_the_end(model, tokenizer, opening, name):
    text = opening + evaluate.continuation(model, tokenizer, opening)

    assert text.count(name) >= 3
    assert evaluate.keeps_name(text, name)


def test_a_request_is_answered_with_a_story(model, tokenizer):
    request = "User: Tell me a story about a fox named Pip.\nAssistant:"

    answer = evaluate.continuation(model, tokenizer, request).split("\n\n")[0]

    assert answer.startswith(" ")
    assert "fox" in answer
    assert evaluate.keeps_name(answer, "Pip")


def test_held_out_perplexity_is_what_the_card_says(model, tokenizer):
    card = (storyteller.path() / "README.md").read_text(encoding="utf-8")
    stated = float(re.search(r"\*\*(\d+\.\d+)\*\* per token", card)[1])
    held_out = islice(evaluate.documents(tokenizer, evaluate.stories(evaluate.HELD_OUT_SEED)), 30)

    assert evaluate.perplexity(model, held_out) == pytest.approx(stated, rel=0.05)
