"""The whole way of a question: retrieved, read, answered, and judged."""
