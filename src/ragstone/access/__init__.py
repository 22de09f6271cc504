"""Who asks: API keys, and bearer tokens of OpenID Connect issuers, translated into the house's terms."""
