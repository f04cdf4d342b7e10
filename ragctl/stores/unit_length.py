"""How far the length of a stored vector may be from 1."""

LENGTH_TOLERANCE = 0.01
"""Rounding in float32, also of a model that computes in bf16 (8 bits of mantissa, 0.004), stays below it."""
