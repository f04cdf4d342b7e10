"""From a question to an answer: what each step asks of a chat model, and what becomes of it."""
