"""The prices a new platform starts with."""
