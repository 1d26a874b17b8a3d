"""The addresses of the API that Django answers."""

from django.urls import URLPattern, URLResolver, include, path

from api.openai.router import api

urlpatterns: list[URLPattern | URLResolver] = [path("api/v1/", include("api.manage.urls")), path("", api.urls)]
