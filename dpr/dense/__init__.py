"""Dense retrieval over passage vectors: exact and FAISS. Passages are never seen here, only vectors."""
