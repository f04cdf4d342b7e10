"""What a user looks at without changing it: documents, runs, and what differs between two of them."""
