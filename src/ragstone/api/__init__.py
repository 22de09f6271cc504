"""The HTTP interface: OpenAI's shapes, one file a resource."""
