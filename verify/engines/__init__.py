"""Drives runs stretch by stretch; knows no system."""
