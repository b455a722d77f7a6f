"""Vector indexes in PostgreSQL with pgvector: the database proposes rows, and the vectors file gives their scores."""
