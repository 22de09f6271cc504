"""What documents consist of: texts, chunks, vectors, and the lexical index."""
