"""A conversation belongs to its cells: one that runs again replaces its turn and drops the later ones."""

from __future__ import annotations

from gpt_notebook.magics.conversation import Conversation, Conversations


def said(conversation, prompt):
    return [(message.role, message.content) for message in conversation.messages(prompt)]


def three_turns():
    conversation = Conversation()
    for cell in "abc":
        conversation.keep(cell, f"question {cell}", f"answer {cell}")
    return conversation


def test_a_conversation_remembers_what_was_said():
    conversation = Conversation(system="Be brief.")
    conversation.keep("a", "Hello", "Hi.")
    assert said(conversation, "How are you?") == [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("assistant", "Hi."),
        ("user", "How are you?"),
    ]


def test_a_cell_that_runs_again_drops_its_turn_and_the_later_ones():
    conversation = three_turns()
    assert conversation.rewind("b") == 1
    assert [turn.cell for turn in conversation.turns] == ["a"]


def test_a_new_cell_drops_nothing():
    conversation = three_turns()
    assert conversation.rewind("d") == 0
    assert len(conversation.turns) == 3


def test_without_cells_every_turn_is_new():
    conversation = Conversation()
    for _ in range(2):
        conversation.rewind(None)
        conversation.keep(None, "again", "yes")
    assert len(conversation.turns) == 2


def test_conversations_are_kept_by_name_and_forgotten_by_name():
    conversations = Conversations()
    conversations.get("story").keep("a", "q", "r")
    conversations.get("other")
    assert len(conversations.get("story").turns) == 1
    assert conversations.names() == ("story", "other")
    assert conversations.forget("story")
    assert not conversations.forget("story")
    assert conversations.forget_all() == 1
    assert conversations.names() == ()
