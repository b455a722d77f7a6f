"""Questions that a chat model writes for passages."""

from __future__ import annotations

from dpr.reader.generative.chat import ChatClient
from dpr.reader.generative.prompt import Message
from dpr.types import Passage

INSTRUCTION = (
    "Write one question that somebody would type into a search box and that the passage below answers. Write it in the "
    "language of the passage. The asker has not seen the passage: do not mention it, and use other words than it does "
    "where there are any. Reply with the question alone."
)

MOST_CHARACTERS = 4000
"""Characters of a passage that the model is shown."""

LONGEST_QUESTION = 400


def ask_for_question(client: ChatClient, passage: Passage) -> str:
    """Return the question that a model writes for a passage; empty where its reply is no single question.

    Raises:
        GeneratorError: the server cannot be reached, refuses, fails, or sends an incomplete reply.
    """
    text = passage.titled("\n")[:MOST_CHARACTERS]
    messages: list[Message] = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": text}]
    reply = "".join(delta.text for delta in client(messages))
    lines = [line.strip().strip("\"'“”") for line in reply.splitlines() if line.strip()]
    return lines[0] if len(lines) == 1 and len(lines[0]) <= LONGEST_QUESTION else ""
