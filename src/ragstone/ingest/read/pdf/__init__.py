"""PDF: lines from the page, then margins away, then tables, headings and paragraphs."""
