"""The extractive reader: the span of a passage that answers best, or none; and what it is made of."""
