"""Machine reading comprehension: answers from retrieved passages, as spans or written by a chat model."""
