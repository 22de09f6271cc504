"""Processes that work beside the one a person talks to."""
