"""Retrievers for the frameworks that people use; each is an extra and needs its framework installed."""
