"""Judgements, metrics and comparisons: pure, from what was retrieved to what it is worth."""
