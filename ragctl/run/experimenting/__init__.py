"""Experiments: variants of a spec, each with its own generation and its own evaluation."""
