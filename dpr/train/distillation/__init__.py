"""Distillation: a student encoder learns a teacher's vectors or scores."""
