"""The URLs Django answers; completions, `/live` and `/ready` are answered before it, in `asgi.py`."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
