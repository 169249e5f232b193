"""Searches for instances that break a statement."""
