"""The spec: its model, how it is read, and what is derived from it.

Nothing is imported here: `model` needs pydantic and `load` needs yaml, and a command that
reads no spec should pay for neither.
"""
