"""Builds, changes and verifies an index."""
