"""Training: what all trainings share, and a package for each product with modules of the same names."""
