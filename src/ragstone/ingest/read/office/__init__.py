"""Office Open XML: documents, presentations and workbooks, read from their parts directly.

No library in between: the parts are inflated under the limits, read as far as they are sound, and both the
usual and the strict variant of ISO 29500 are understood.
"""
