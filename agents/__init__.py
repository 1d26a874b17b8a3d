"""Hosting agents and running them."""
