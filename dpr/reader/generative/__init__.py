"""The generative reader: a chat model over HTTP writes the answer and cites the passages."""
