"""What agents can do: one folder per skill, each plain async Python."""
