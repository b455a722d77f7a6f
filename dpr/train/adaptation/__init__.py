"""Adaptation of a BERT to a language or a domain: new WordPieces, masked-language-model training."""
