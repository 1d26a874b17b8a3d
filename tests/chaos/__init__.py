"""Chaos: a whole deployment under load whose processes die at random, and what its books say afterwards."""
