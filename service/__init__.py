"""The HTTP service: questions in, passages and answers out."""
