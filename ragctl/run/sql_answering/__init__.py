"""ask with `type: sql`: a question in words, answered from a database that is only read."""
