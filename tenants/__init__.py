"""Who is asking: organizations, members, keys, secrets and the walls between tenants."""
