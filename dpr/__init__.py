"""Open-domain question answering in Korean and English: dense and sparse retrieval chained to an MRC reader."""

__version__ = "0.1.0"
