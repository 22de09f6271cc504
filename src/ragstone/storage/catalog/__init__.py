"""Files, stores, and the documents that files become in stores."""
