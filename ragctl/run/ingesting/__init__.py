"""plan and ingest: from a listing to a published generation."""
