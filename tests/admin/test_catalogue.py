"""The catalogue of skills on the console."""

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from agents.admin import catalogue
from skills import registry
from skills.sdk import Skill
from tenants.models import Organization
from tenants.roles import Role
from tests.admin.cast import member, text


@pytest.mark.parametrize("name", registry.names())
def test_every_skill_has_a_page_with_what_its_readme_says(acme: Organization, name: str) -> None:
    us = member(acme, Role.VIEWER)

    listed = text(us.get(reverse("console:skills")))
    shown = text(us.get(reverse("console:skill", args=(name,))))

    assert reverse("console:skill", args=(name,)) in listed
    assert f"<h1>{name}</h1>" in shown
    assert 'href="../' not in shown


def test_a_readme_runs_nothing_and_fetches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Tricky(Skill):
        """Tries things."""

        name = "tricky"

    (tmp_path / "README.md").write_text(
        "# tricky\n\n<script>alert(1)</script>\n\n![x](https://evil.example/p.png) [y](javascript:alert(1)) "
        "[z](https://fine.example/) <b onclick=alert(1)>bold</b>\n"
    )
    monkeypatch.setattr("agents.admin.catalogue.inspect.getfile", lambda _: str(tmp_path / "skill.py"))

    made = catalogue.readme_of(Tricky)

    assert "<script" not in made
    assert "<img" not in made
    assert "<b " not in made
    assert 'href="javascript' not in made
    assert 'href="https://fine.example/"' in made


def test_who_may_not_see_agents_sees_no_skills_and_an_unknown_one_is_absent(acme: Organization, client: Client) -> None:
    assert member(acme, Role.BILLING).get(reverse("console:skills")).status_code == 403
    assert client.get(reverse("console:skills")).status_code == 302
    assert member(acme).get(reverse("console:skill", args=("nothing",))).status_code == 404
