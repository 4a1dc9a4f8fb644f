"""The words of a `%gpt` line that a command is given: options, switches, and the one thing it is about."""

from __future__ import annotations

from gpt_notebook.errors import InvalidRequest
from gpt_notebook.magics.help_text import COMMANDS


class Words:
    """The words after a command, taken one by one."""

    def __init__(self, command: str, words: list[str]) -> None:
        """Begin before the first."""
        self._command = command
        self._words = words

    def option(self, flag: str) -> str | None:
        """Take `flag VALUE` or `flag=VALUE` out of the words, and return the value."""
        for index, word in enumerate(self._words):
            if word.startswith(f"{flag}="):
                return self._words.pop(index).removeprefix(f"{flag}=")
            if word == flag:
                if index + 1 == len(self._words):
                    message = f"%gpt {self._command}: {flag} needs a value after it"
                    raise InvalidRequest(message)
                del self._words[index]
                return self._words.pop(index)
        return None

    def switch(self, flag: str) -> bool:
        """Take `flag` out of the words, and tell whether it was there."""
        if flag not in self._words:
            return False
        self._words.remove(flag)
        return True

    def optional(self) -> str | None:
        """Return the only word, or None where there is none."""
        if len(self._words) > 1 or (self._words and self._words[0].startswith("--")):
            self._refuse(self._words[0] if self._words[0].startswith("--") else self._words[1])
        return self._words[0] if self._words else None

    def two(self) -> tuple[str | None, str | None]:
        """Return the only two words; None in the place of those that are not there."""
        given = self._words[2:] + [word for word in self._words[:2] if word.startswith("--")]
        if given:
            self._refuse(given[0])
        first, second = (*self._words, None, None)[:2]
        return first, second

    def required(self) -> str:
        """Return the only word."""
        word = self.optional()
        if not word:
            message = f"%gpt {self._command} needs a word after it: %gpt {COMMANDS[self._command][0]}"
            raise InvalidRequest(message)
        return word

    def end(self) -> None:
        """Expect no word."""
        if self._words:
            self._refuse(self._words[0])

    def _refuse(self, word: str) -> None:
        message = f"%gpt {self._command}: unexpected {word!r}; it is written %gpt {COMMANDS[self._command][0]}"
        raise InvalidRequest(message)
