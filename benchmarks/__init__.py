"""How fast the platform is, as ratios to a bare pass-through measured in the same run."""
