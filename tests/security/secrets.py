"""Forty secrets of every kind that passes through: none of them may stand in a log, a metric, a trace or an error."""

_BODY = "Q7xCanaryW2v9Lr4KpZt8Nd3"
"""What the secrets are made of, so that parts of them are found as well."""

_PEM = "\n".join(
    (
        "-----BEGIN {kind}PRIVATE KEY-----",
        f"MIIEvQIBADANBgkq{_BODY}",
        "hkiG9w0BAQEFAASC",
        "-----END {kind}PRIVATE KEY-----",
    )
)

BY_FORM = {
    "ours": f"rb_live_{_BODY[:12]}_{_BODY}",
    "ours in test mode": f"rb_test_{_BODY[:12]}_{_BODY}",
    "OpenAI": f"sk-{_BODY}{_BODY}",
    "OpenAI project": f"sk-proj-{_BODY}_{_BODY}",
    "OpenRouter": f"sk-or-v1-{_BODY}",
    "Anthropic": f"sk-ant-api03-{_BODY}-{_BODY}",
    "Groq": f"gsk_{_BODY}{_BODY}",
    "xAI": f"xai-{_BODY}{_BODY}",
    "Google": f"AIzaSy{_BODY}",
    "Google OAuth": f"ya29.{_BODY}",
    "Hugging Face": f"hf_{_BODY}",
    "Perplexity": f"pplx-{_BODY}",
    "Replicate": f"r8_{_BODY}",
    "NVIDIA": f"nvapi-{_BODY}",
    "Cerebras": f"csk-{_BODY}",
    "Together": f"tgp_v1_{_BODY}",
    "GitHub": f"ghp_{_BODY}",
    "GitHub fine-grained": f"github_pat_{_BODY}_{_BODY}",
    "GitLab": f"glpat-{_BODY}",
    "Slack": f"xoxb-1234-{_BODY}",
    "Stripe": f"sk_live_{_BODY}",
    "Stripe webhook": f"whsec_{_BODY}",
    "AWS id": "AKIAQ7XCANARYW2V9LR4",
    "JWT": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI{_BODY}.{_BODY}",
    "PEM": _PEM.format(kind=""),
    "PEM of RSA": _PEM.format(kind="RSA "),
}
"""Known by how they look, wherever they stand."""

IN_PLACE = {
    "Bearer": f"Authorization: Bearer opaque{_BODY}",
    "Basic": f"Authorization: Basic b3BhcXVl{_BODY}==",
    "another scheme": f"authorization=Opaque{_BODY}",
    "header x-api-key": f"x-api-key: opaque{_BODY}",
    "raw headers": f"[(b'x-goog-api-key', b'opaque{_BODY}')]",
    "cookies": f"Cookie: sessionid={_BODY}; theme={_BODY}",
    "CSRF": f"csrftoken={_BODY}; X-CSRFToken: {_BODY}",
    "form": f"csrfmiddlewaretoken={_BODY}&password={_BODY}",
    "query": f"https://generativelanguage.test/v1/models?alt=sse&key=opaque{_BODY}&api_key={_BODY}",
    "signed query": f"https://storage.test/file?X-Amz-Signature={_BODY}&sig={_BODY}",
    "DSN": f"postgresql://robutler_app:hunter2{_BODY}@db.test:5432/robutler",
    "DSN without a user": f"redis://:hunter2{_BODY}@cache.test:6379/0",
    "connection string": f"host=db user=robutler_app password=hunter2{_BODY} dbname=robutler",
    "JSON": f'{{"api_key": "opaque {_BODY}", "client_secret": "{_BODY}"}}',
    "AWS secret": f"aws_secret_access_key = opaque/{_BODY}",
}
"""Known by where they stand."""

EVERY = {**BY_FORM, **IN_PLACE}
LEAKS = (_BODY, _BODY[:12], _BODY[12:], "AKIAQ7XCANARYW2V9LR4", "hunter2")


def leaks_in(text: str) -> list[str]:
    """The lines of a text in which a secret, or half of one, stands."""
    return [line[:400] for line in text.splitlines() if any(part in line for part in LEAKS)]
