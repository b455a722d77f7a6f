"""Dense retrieval over passage vectors: exact and FAISS. This package works on vectors, never on passages."""
