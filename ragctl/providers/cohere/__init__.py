"""Cohere's API: embeddings and reranking."""
