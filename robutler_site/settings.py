"""Django's settings, mapped from the environment (`robutler_site.env` reads and explains it)."""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from psycopg.conninfo import conninfo_to_dict

from robutler_site import database, env, navigation, observability

ROBUTLER = env.read()

BASE_DIR = Path(__file__).resolve().parent.parent
DEBUG = ROBUTLER.debug
SECRET_KEY = ROBUTLER.secret_key
ALLOWED_HOSTS = list(ROBUTLER.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(ROBUTLER.trusted_origins)

ROOT_URLCONF = "robutler_site.urls"
ASGI_APPLICATION = "robutler_site.asgi.application"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [ROBUTLER.redis_url], "prefix": "robutler"},
    }
    if ROBUTLER.redis_url
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

_SERVES = sys.argv[1:2] == ["serve"] or "robutler_site.asgi" in sys.modules
INSTALLED_APPS = [
    *(["daphne"] if "runserver" in sys.argv[1:2] else []),  # costs 0.3 s at start, so only where it serves
    "unfold.apps.BasicAppConfig",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "tenants",
    "billing",
    "agents",
    "robutler_site",
    "rest_framework",
    "drf_spectacular_sidecar",  # the pages of the API's document
    # Only the clock reads its tables; a web process starts without Celery and all it brings along.
    *([] if _SERVES else ["django_celery_beat"]),
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "robutler_site.middleware.closed_unless_a_page",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "robutler_site.tenancy.tenancy",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- database ---------------------------------------------------------------------------------------------------------

EMBEDDED_DATA_DIR = ROBUTLER.var_dir / "postgres"


def _urls() -> dict[str, str]:
    if not ROBUTLER.embedded_database:
        return {
            "default": ROBUTLER.database_url,
            "platform": ROBUTLER.database_platform_url,
            "owner": ROBUTLER.database_owner_url,
        }
    server = database.embedded_server(EMBEDDED_DATA_DIR)
    return {alias: server.dsn(role=f"robutler_{role}") for alias, role in _ROLES.items()}


_ROLES = {"default": "app", "platform": "platform", "owner": "owner"}


# A host that vanishes without a word is noticed within 20 seconds, not after the system's minutes. Only TCP knows
# these; a unix socket passes them over.
_NOTICED = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}


def _database(url: str, *, pool_size: int) -> dict[str, Any]:
    parts = conninfo_to_dict(url)
    options: dict[str, Any] = _NOTICED | {
        key: parts[key] for key in parts.keys() - {"dbname", "user", "password", "host", "port"}
    }
    options.setdefault("connect_timeout", 5)
    if pool_size:
        # Waiting is short and bounded: a database that is away is an answer of 503, not a queue.
        options["pool"] = {"min_size": 0, "max_size": pool_size, "timeout": 1, "max_waiting": 20 * pool_size}
    return {
        "ENGINE": "tenants.postgres",
        "NAME": parts["dbname"],
        "USER": parts.get("user", ""),
        "PASSWORD": parts.get("password", ""),
        "HOST": parts.get("host", ""),
        "PORT": str(parts.get("port", "")),
        "OPTIONS": options,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": bool(pool_size),
        # A cursor on the server would read its later rows under whatever organization is set by then.
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }


_POOL_SIZES = {"default": ROBUTLER.database_pool_size, "platform": max(2, ROBUTLER.database_pool_size // 2), "owner": 0}
DATABASES = {alias: _database(url, pool_size=_POOL_SIZES[alias]) for alias, url in _urls().items()}
DATABASE_ROUTERS = ["tenants.router.TenantRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- people -----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "tenants.User"
LOGIN_URL = LOGIN_REDIRECT_URL = "/console/"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

# --- the edge ---------------------------------------------------------------------------------------------------------

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = ROBUTLER.https
SECURE_HSTS_SECONDS = 31_536_000 if ROBUTLER.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ROBUTLER.https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ROBUTLER.https else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = ROBUTLER.body_limit_bytes

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

REST_FRAMEWORK = {
    "URL_FORMAT_OVERRIDE": None,  # what an address asks for is the view's to understand
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
}

# --- the two admin sites ----------------------------------------------------------------------------------------------

UNFOLD_CONSOLE = navigation.UNFOLD_CONSOLE
UNFOLD_STAFF = navigation.UNFOLD_STAFF

# --- the rest ---------------------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = ["robutler_site.formats"]
FORMS_URLFIELD_ASSUME_HTTPS = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = ROBUTLER.env != "production"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": ROBUTLER.redis_url,
    }
    if ROBUTLER.redis_url
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

_MAIL = urlsplit(ROBUTLER.email_url)
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if ROBUTLER.email_url else 'console'}.EmailBackend"
EMAIL_HOST = _MAIL.hostname or ""
EMAIL_PORT = _MAIL.port or (465 if _MAIL.scheme == "smtps" else 587)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_MAIL.username or ""), unquote(_MAIL.password or "")
EMAIL_USE_SSL = _MAIL.scheme == "smtps"
EMAIL_USE_TLS = _MAIL.scheme == "smtp" and bool(EMAIL_HOST_PASSWORD)  # no password goes out in the clear
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ROBUTLER.email_from

DJANGO_CELERY_BEAT_TZ_AWARE = True
# By name, as a web process loads Celery only once it has something to send.
TASK_SENDER = "robutler_site.celery.send"

LOGGING = observability.logging_for(ROBUTLER)
LOGGING_CONFIG = "robutler_site.observability.configure"
