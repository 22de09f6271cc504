"""What can be set, and where it comes from."""

from __future__ import annotations

from ragstone.settings.fields import OidcIssuer, Settings, TokenScope
from ragstone.settings.loading import PREFIX, Loaded, Origin, load, mask_password

__all__ = ["PREFIX", "Loaded", "OidcIssuer", "Origin", "Settings", "TokenScope", "load", "mask_password"]
