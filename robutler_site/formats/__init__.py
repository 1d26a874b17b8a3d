"""How dates are written on pages, by language."""
