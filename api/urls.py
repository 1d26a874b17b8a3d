"""The addresses of the API that Django answers."""

from django.urls import URLPattern, URLResolver, path

from api.openai.router import api

urlpatterns: list[URLPattern | URLResolver] = [path("", api.urls)]
