"""The queue of work that is to be done, and what becomes of it."""
