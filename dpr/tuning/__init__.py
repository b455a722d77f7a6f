"""Which numbers to use: fusion weights, a reader's threshold, probability and weights, chosen on questions."""
