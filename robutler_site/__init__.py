"""Assembly: settings, database, URLs, processes; everything is put together here and nothing imports it."""
