"""Sparse retrieval over term counts: BM25 and TF-IDF, exact, compiled. Text is never seen here, only terms."""
