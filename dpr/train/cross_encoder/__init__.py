"""Training of a cross-encoder from questions with passages that answer them and passages that do not."""
