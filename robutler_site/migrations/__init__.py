"""Migrations of the tables the assembly owns."""
