"""Conversations of `%%gpt --chat NAME`: what was said, by which cell.

A notebook is edited and run out of order, so a turn belongs to the cell that made it. Running that cell again takes the
conversation back to just before its turn: the turn is replaced, and the later ones, which answered something else, are
dropped. A turn is kept when its answer is complete, never before; an interrupted one leaves nothing behind.

Conversations live in the notebook kernel and end with it: Run All says everything again. Knows nothing of IPython; who
calls says which cell it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpt_notebook.protocol import ChatMessage


@dataclass(frozen=True)
class Turn:
    """What one cell said, and what the model answered."""

    cell: str | None
    """Which cell; None where cells have no identity, such as the lines of a terminal."""
    user: str
    assistant: str


@dataclass
class Conversation:
    """The turns of one name, oldest first."""

    system: str = ""
    turns: list[Turn] = field(default_factory=list)

    def rewind(self, cell: str | None) -> int:
        """Go back to just before the turn of this cell, if it has one; return how many later turns are lost."""
        for index, turn in enumerate(self.turns):
            if cell is not None and turn.cell == cell:
                later = len(self.turns) - index - 1
                del self.turns[index:]
                return later
        return 0

    def messages(self, prompt: str) -> tuple[ChatMessage, ...]:
        """Return all that was said, and `prompt` as the user's next words."""
        from gpt_notebook.protocol import ChatMessage

        said = [ChatMessage(role="system", content=self.system)] if self.system else []
        for turn in self.turns:
            said.append(ChatMessage(role="user", content=turn.user))
            said.append(ChatMessage(role="assistant", content=turn.assistant))
        return (*said, ChatMessage(role="user", content=prompt))

    def keep(self, cell: str | None, user: str, assistant: str) -> None:
        """Add a turn whose answer is complete."""
        self.turns.append(Turn(cell, user, assistant))


class Conversations:
    """All conversations of a notebook, by name."""

    def __init__(self) -> None:
        """Begin with none."""
        self._by_name: dict[str, Conversation] = {}

    def get(self, name: str) -> Conversation:
        """Return the conversation of this name, a new one where there is none."""
        return self._by_name.setdefault(name, Conversation())

    def names(self) -> tuple[str, ...]:
        """Return the names of the conversations, oldest first."""
        return tuple(self._by_name)

    def forget(self, name: str) -> bool:
        """Forget a conversation and its system message; tell whether there was one."""
        return self._by_name.pop(name, None) is not None

    def forget_all(self) -> int:
        """Forget all conversations; tell how many there were."""
        count = len(self._by_name)
        self._by_name.clear()
        return count
