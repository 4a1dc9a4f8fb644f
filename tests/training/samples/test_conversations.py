from __future__ import annotations

import pytest
from model_kernel.tiny_models import CHAT_TEMPLATE, byte_level_tokenizer
from training.in_this_process import InThisProcess

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.model_kernel import chat
from gpt_notebook.protocol import ChatMessage
from gpt_notebook.template_process import TemplateProcess
from gpt_notebook.training.samples import samples

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Who are you?"},
    {"role": "assistant", "content": "A fox."},
    {"role": "user", "content": "Since when?"},
    {"role": "assistant", "content": "Always."},
]
SPELLED_OUT = [{"role": "user", "content": "Say <|end|>"}, {"role": "assistant", "content": "<|end|> it is"}]

TRIMS = CHAT_TEMPLATE.replace("message.content }}", "message.content | trim }}")
THINKS = CHAT_TEMPLATE.replace(
    "<|{{ message.role }}|>",
    "<|{{ message.role }}|>{% if loop.last and message.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}",
)
"""Puts an empty thought before the last answer, and none before earlier ones, as Qwen3's does."""
ASKS_FOR_THOUGHT = CHAT_TEMPLATE.replace("<|assistant|>{% endif %}", "<|assistant|><think>{% endif %}")
"""Begins an answer with a thought when it asks for one, and tells none of it afterwards, as DeepSeek-R1's does."""
NO_MARKS = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
SHOUTS = CHAT_TEMPLATE.replace("message.content }}", "message.content | upper }}")
COUNTS = "{{ messages | length }} messages: " + CHAT_TEMPLATE
BACKWARDS = CHAT_TEMPLATE.replace("in messages %}", "in messages | reverse %}")


def encoded(template, messages, *, templates=None):
    tokenizer = byte_level_tokenizer(chat_template=template)
    (only,) = samples.encode(
        [{"messages": messages}], tokenizer, max_length=500, templates=templates or InThisProcess()
    )
    return tokenizer, only


def learned(tokenizer, sample):
    """The texts that count, each answer by itself."""
    ids, counted = sample.token_ids.tolist(), [*sample.counted.tolist(), False]
    found, start = [], None
    for place, counts in enumerate(counted):
        if counts and start is None:
            start = place
        elif not counts and start is not None:
            found.append(tokenizer.decode(ids[start:place]))
            start = None
    return found


@pytest.mark.parametrize(
    ("template", "answers"),
    [
        (CHAT_TEMPLATE, ["A fox.<|end|>", "Always.<|end|>"]),
        (TRIMS, ["A fox.<|end|>", "Always.<|end|>"]),
        (THINKS, ["A fox.<|end|>", "<think>\n\n</think>\n\nAlways.<|end|>"]),
        (SHOUTS, ["A FOX.<|end|>", "ALWAYS.<|end|>"]),
        (NO_MARKS, ["A fox.\n\n", "Always.<|endoftext|>"]),
        (None, [" A fox.\n\n", " Always.<|endoftext|>"]),
    ],
    ids=["marks", "trims", "thinks", "shouts", "no-marks", "no-template"],
)
def test_only_what_the_assistant_says_counts_and_its_end_with_it(template, answers):
    tokenizer, sample = encoded(template, TALK)
    assert learned(tokenizer, sample) == answers


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, TRIMS, THINKS, ASKS_FOR_THOUGHT, NO_MARKS, None])
@pytest.mark.parametrize("messages", [TALK[:3], SPELLED_OUT], ids=["talk", "spelled-out"])
def test_what_stands_before_an_answer_is_what_the_model_kernel_asks_with(template, messages):
    tokenizer, sample = encoded(template, messages)
    templates = TemplateProcess()
    try:
        asked = chat.render(tokenizer, [ChatMessage(**each) for each in messages[:-1]], templates)
    finally:
        templates.close()
    assert sample.token_ids.tolist()[: len(asked.token_ids)] == list(asked.token_ids)
    assert sample.counted.tolist().index(True) == len(asked.token_ids)


def test_answers_are_found_as_well_by_the_process_for_templates():
    templates = TemplateProcess()
    try:
        _, theirs = encoded(CHAT_TEMPLATE, TALK, templates=templates)
    finally:
        templates.close()
    _, ours = encoded(CHAT_TEMPLATE, TALK)
    assert theirs.token_ids.tolist() == ours.token_ids.tolist()
    assert theirs.counted.tolist() == ours.counted.tolist()


def test_a_special_token_that_somebody_spells_out_ends_nothing():
    tokenizer, sample = encoded(CHAT_TEMPLATE, SPELLED_OUT)
    assert learned(tokenizer, sample) == ["<|end|> it is<|end|>"]
    (end,) = tokenizer("<|end|>")["input_ids"]
    assert sample.token_ids.tolist().count(end) == 2


def test_what_comes_after_the_last_answer_is_left_out():
    tokenizer, sample = encoded(CHAT_TEMPLATE, [*TALK, {"role": "user", "content": "Really?"}])
    assert "Really" not in tokenizer.decode(sample.token_ids.tolist())


@pytest.mark.parametrize("template", [COUNTS, BACKWARDS], ids=["counts", "backwards"])
def test_a_template_that_hides_who_says_what_is_refused_with_the_row(template):
    with pytest.raises(
        InvalidRequest, match="row 0 cannot be put to the model: the model's chat template writes message"
    ):
        encoded(template, TALK)


def test_a_template_that_refuses_is_quoted_with_the_row():
    refuses = "{{ raise_exception('no system please') }}"
    with pytest.raises(InvalidRequest, match=r"row 0 cannot be put to the model: .*no system please"):
        encoded(refuses, TALK)
