"""Retrievers: dense, sparse, and both fused into one list."""
