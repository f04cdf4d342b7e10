"""The SQL assistant: a question in words, an answer from a database that nothing here can change."""
