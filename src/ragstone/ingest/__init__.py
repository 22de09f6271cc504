"""From files to chunks: walk, read, split."""
