"""Runs repeated in ball arithmetic: every number is an interval that certainly holds the exact one."""
