"""PostgreSQL: the embedded server, the schema, and the two sides of the library."""
