"""Training: what all trainings share, and below it a room for each product, with the same names for the same things."""
