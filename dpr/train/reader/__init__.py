"""Training of an extractive reader from questions with answer spans."""
