"""Machine reading comprehension: answers out of retrieved passages, as spans or written by a chat model."""
