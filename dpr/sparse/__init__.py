"""Sparse retrieval over term counts: BM25 and TF-IDF, exact, compiled. This package works on terms, never on text."""
