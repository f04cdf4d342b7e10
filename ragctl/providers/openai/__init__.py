"""OpenAI's API, and servers that speak it: embeddings and chat."""
