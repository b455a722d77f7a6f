"""Benchmarks of retrieval, readers, answers and encoders, written as reports."""
