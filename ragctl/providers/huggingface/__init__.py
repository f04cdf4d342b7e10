"""Models that sentence-transformers runs with torch: on a GPU, and of any family that transformers knows."""
