"""From passages to an answer of verbatim sentences, each with its citation."""
