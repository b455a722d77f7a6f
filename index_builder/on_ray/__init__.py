"""Encode passages and count their terms on a Ray cluster."""
