def test_smoke(acme):
    from agents.models import Agent
    from tenants.context import organization_context

    with organization_context(acme.id):
        a = Agent(organization=acme, slug="x", name="X", model="scripted/persona")
        a.full_clean()
        a.save()
        assert Agent.objects.count() == 1
