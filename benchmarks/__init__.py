"""Measurements, each a script of its own; they use public names only."""
