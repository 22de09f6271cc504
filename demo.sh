#!/bin/sh
# Ingests the project's own documentation and answers three questions about it. Called by `make demo`.
set -eu
bin=$1

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
ask() { say "ragstone ask --store docs '$1'"; "$bin/ragstone" ask --store docs "$1"; }

say "ragstone ingest docs README.md CONTRIBUTING.md SECURITY.md --store docs"
"$bin/ragstone" ingest docs README.md CONTRIBUTING.md SECURITY.md --store docs

ask "What happens to a file that vanished from a folder?"
ask "How are tenants kept apart?"
ask "What do I do when the port is taken?"

cat <<EOF

That was all local: an embedded PostgreSQL under $RAGSTONE_HOME and a 23 MB embedder, no GPU, no service.
Go on with your own documents:

  export RAGSTONE_HOME='$RAGSTONE_HOME' PATH="$(cd "$bin" && pwd):\$PATH"
  ragstone ingest ~/Documents
  ragstone ask 'your question'
  ragstone serve          # HTTP on 127.0.0.1:8421, in the shape of OpenAI's vector stores and responses
EOF
