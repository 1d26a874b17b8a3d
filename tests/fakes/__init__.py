"""Stand-ins for the outside world: real servers on real ports, under our control."""
