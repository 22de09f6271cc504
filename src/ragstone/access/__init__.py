"""Who asks: bearer tokens of OpenID Connect issuers, checked and translated into the house's terms."""
