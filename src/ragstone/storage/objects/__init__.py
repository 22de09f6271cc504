"""Where the bytes of uploaded files lie: in the database or in a bucket."""
