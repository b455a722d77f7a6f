"""The extractive reader: the best span of a passage, or no answer."""
