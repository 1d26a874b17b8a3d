"""Changes of the tables, one concern each."""
