"""Django's PostgreSQL engine with the wall between organizations built in."""
