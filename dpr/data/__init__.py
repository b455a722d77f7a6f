"""Data files in and out: passages, questions and their labels, as plain frozen data."""
