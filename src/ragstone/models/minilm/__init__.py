"""all-MiniLM-L6-v2 with 8-bit weights: the embedder that needs nothing but this process."""
