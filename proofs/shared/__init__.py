"""Facts that every system uses, proved once."""
