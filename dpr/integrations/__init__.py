"""Retrievers for other frameworks; each is an extra and needs its framework installed."""
