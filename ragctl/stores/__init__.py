"""Vector stores, a file each."""
