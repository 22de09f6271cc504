"""HTTP/1.1 as model servers are asked with it: POST a JSON document, read an answer that may go on for a minute.

Why not a library: a stream of tokens is hundreds of small pieces, and the general clients spend more on each piece than
the rest of this service does; decision 0008 has the figures.
"""
