"""Tune fusion weights, and a reader's threshold, probability and weights, on questions."""
