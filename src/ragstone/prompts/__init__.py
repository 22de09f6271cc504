"""What language models are told: templates as data, each with its version and its hash."""

from __future__ import annotations

from ragstone.prompts.templates import Prompts, Template

__all__ = ["Prompts", "Template"]
