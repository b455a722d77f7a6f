"""A corpus in, one published index generation out."""
