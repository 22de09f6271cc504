"""The order of the steps, readable as prose: a newcomer starts here."""
