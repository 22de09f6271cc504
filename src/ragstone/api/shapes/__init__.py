"""OpenAI's objects and streams from the house's nouns: pure functions, one file a noun.

What is published is always there, with null where this service has nothing to say; what is ours stands beside it.
"""
