"""Tenants, their users and keys, where they lie, and what was changed."""
