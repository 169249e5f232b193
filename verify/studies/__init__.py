"""Families of problems: designs, their cells run side by side, stored safely and judged statistically."""
