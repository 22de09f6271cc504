"""In-memory twins of every port, to test with."""
