"""State: ledger, generations, runs, lease and cached vectors, in PostgreSQL."""
