"""The addresses of the API that Django answers."""

from django.urls import URLPattern, URLResolver, include, path

from api.manage.urls import payments_v2_patterns
from api.openai.router import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include("api.manage.urls")),
    path("api/payments/", include(payments_v2_patterns)),
    path("", api.urls),
]
