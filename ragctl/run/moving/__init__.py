"""Indexes carried to another place, to a file and back, with their vectors and what is known of them."""
