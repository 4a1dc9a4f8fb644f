"""Chat templates rendered at once, where the tests are: theirs end, and a process of their own would take its time."""

from __future__ import annotations

from transformers.utils.chat_template_utils import render_jinja_template

from gpt_notebook.errors import InvalidRequest


class InThisProcess:
    """Renders chat templates as `TemplateProcess` does, and is not safe from what they are."""

    def render(self, template, messages, variables, *, asks=True):
        try:
            (text,), _ = render_jinja_template(
                [list(messages)], chat_template=template, add_generation_prompt=asks, **variables
            )
        except Exception as error:  # noqa: BLE001 - a template can raise anything
            message = f"the model's chat template refuses this conversation: {error}"
            raise InvalidRequest(message, param="messages") from None
        return text
