"""From a question to its passages: candidates, BM25, fusion."""
