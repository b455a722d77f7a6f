"""Vector indexes in Milvus: the database proposes rows, and the vectors file gives their scores."""
