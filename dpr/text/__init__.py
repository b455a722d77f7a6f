"""Text to terms, in Korean and in English."""
