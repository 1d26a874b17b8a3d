"""The form an agent is made and changed with: its draft, its price in dollars, and a card for every skill."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from unfold import widgets

from agents.admin.agent_layout import LIMITS, PRICE_FIELDS, SAMPLING, TEXT_FIELDS, tool_field
from agents.admin.option_fields import Choices, beyond_forms, fields_for, values_from
from agents.admin.skills_offered import offered_skills, offered_tools
from agents.models import Agent
from agents.models.definition import MAX_PER_RUN_NANOS
from agents.sampling import LOCKABLE, Limits, Sampling
from agents.services.drafts import SkillChoice, check_options, check_settings
from agents.services.publishing import skills_of
from agents.services.tool_prices import OfferedTool
from agents.slugs import check_slug
from billing.amounts import NANOS_PER_DOLLAR, PICOS_PER_DOLLAR_A_MILLION, dollars, plain
from billing.dollar_fields import DollarsField
from skills.sdk import Skill

RUN_FIELDS = ("on_disconnect", "keeps_content", "drop_unsupported", "locked")


class AgentForm(forms.ModelForm):
    """A draft in fields. Fields of skills, sampling and limits are named `part.option`."""

    price_per_run_nanos = DollarsField(
        scale=NANOS_PER_DOLLAR, required=False, label="Price per run ($)", help_text="Charged once for each served run."
    )
    input_price_pico = DollarsField(
        scale=PICOS_PER_DOLLAR_A_MILLION,
        required=False,
        label="Input price ($ per 1 M tokens)",
        help_text="Your own price on top of the model's; leave empty for none.",
    )
    output_price_pico = DollarsField(
        scale=PICOS_PER_DOLLAR_A_MILLION, required=False, label="Output price ($ per 1 M tokens)"
    )
    markup_percent = forms.DecimalField(
        required=False,
        min_value=0,
        max_value=1000,
        decimal_places=2,
        label="Markup (%)",
        help_text="Added to what the model costs.",
        widget=widgets.UnfoldAdminDecimalFieldWidget(),
    )
    seen_at = forms.CharField(required=False, widget=forms.HiddenInput())
    locked = forms.MultipleChoiceField(
        required=False,
        choices=[(name, name) for name in LOCKABLE],
        label="Locked parameters",
        help_text="Parameters that a request may not override; with instructions, it may not say anything as system.",
        widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget(),
    )

    class Meta:
        model = Agent
        fields: ClassVar = (
            *("name", "slug", "description", "visibility", "model", "instructions"),
            *("on_disconnect", "keeps_content", "drop_unsupported"),
        )
        help_texts: ClassVar = {"model": "The provider and the model, such as openai/gpt-4o-mini or scripted/persona."}
        widgets: ClassVar = {
            "model": widgets.UnfoldAdminTextInputWidget(attrs={"list": "known-models", "autocomplete": "off"}),
            "description": widgets.UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            "instructions": widgets.UnfoldAdminTextareaWidget(attrs={"rows": 10}),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        draft = self.instance
        shown: dict[str, Any] = {f"{LIMITS}.{name}": value for name, value in draft.limits.items()}
        shown |= {f"{SAMPLING}.{name}": _lines(value) for name, value in draft.sampling.items()}
        shown |= {name: getattr(draft, name) for name in PRICE_FIELDS[:3]} | {"locked": draft.locked}
        shown |= {tool_field(name): nanos for name, nanos in draft.tool_prices.items()}
        shown["markup_percent"] = plain(draft.markup_bps, scale=100)
        shown["seen_at"] = draft.updated_at.isoformat() if draft.updated_at else ""
        for choice in skills_of(draft) if draft.pk and not draft._state.adding else ():
            shown[f"{choice.skill}.enabled"] = choice.enabled
            shown |= {f"{choice.skill}.{name}": _lines(value) for name, value in choice.options.items()}
        self.initial = {**shown, **self.initial}

    def clean_slug(self) -> str:
        """The address, unless it is reserved or taken."""
        slug: str = self.cleaned_data["slug"]
        for problem in check_slug(slug).values():
            raise ValidationError(problem)
        if Agent.objects.filter(slug=slug).exclude(pk=self.instance.pk).exists():
            raise ValidationError("You have an agent at this address already.")
        return slug

    def clean(self) -> dict[str, Any]:
        """Check every option by the rules of its skill, and show each problem at its field."""
        cleaned: dict[str, Any] = super().clean() or {}
        seen, stands = cleaned.get("seen_at"), self.instance.updated_at
        if seen and stands and seen != stands.isoformat():
            self.add_error(
                None, "Somebody saved this agent while you were editing it: open it again to see what is new."
            )
        draft = self.draft()
        problems = check_settings(
            Agent(**{name: draft[name] for name in ("sampling", "limits", "locked") if name in draft})
        )
        for choice in self.skills():
            problems |= check_options(choice)
        for path, problem in problems.items():
            self._complain(path, problem)
        return cleaned

    def _complain(self, path: str, problem: str) -> None:
        """Show a problem at the field it is about, which may be the start of its path."""
        name = ".".join(path.removeprefix("skills.").split(".")[:2])
        if name not in self.errors:
            self.add_error(name if name in self.fields else None, problem)

    def skills(self) -> list[SkillChoice]:
        """The skills as they were chosen; one that is off keeps its options for later."""
        chosen = []
        for name, skill in offered_skills():
            options = self._part(name, skill.Options) | self._kept(name, skill)
            enabled = bool(self.cleaned_data.get(f"{name}.enabled"))
            if enabled or options:
                chosen.append(SkillChoice(skill=name, options=options, enabled=enabled))
        return chosen

    def draft(self) -> dict[str, Any]:
        """What the services take for the draft, skills excepted."""
        cleaned = self.cleaned_data
        return {
            **{name: cleaned[name] for name in (*TEXT_FIELDS, *RUN_FIELDS) if name in cleaned and name != "slug"},
            "price_per_run_nanos": cleaned.get("price_per_run_nanos") or 0,
            "input_price_pico": cleaned.get("input_price_pico"),
            "output_price_pico": cleaned.get("output_price_pico"),
            "tool_prices": self._tool_prices(),
            "markup_bps": int((cleaned.get("markup_percent") or 0) * 100),
            "sampling": self._part(SAMPLING, Sampling) | self._beyond(SAMPLING, Sampling, self.instance.sampling),
            "limits": self._part(LIMITS, Limits),
        }

    def _tool_prices(self) -> dict[str, int]:
        """The owner's prices of tools; those of tools that the page does not know stay as they are."""
        kept = {name: nanos for name, nanos in self.instance.tool_prices.items() if tool_field(name) not in self.fields}
        asked = {name: self.cleaned_data.get(tool_field(name)) for _, tool in offered_tools() for name in (tool.name,)}
        return kept | {name: nanos for name, nanos in asked.items() if nanos is not None}

    def _part(self, part: str, options: Any) -> dict[str, Any]:
        prefix = f"{part}."
        return values_from(
            options,
            {key.removeprefix(prefix): value for key, value in self.cleaned_data.items() if key.startswith(prefix)},
        )

    def _kept(self, name: str, skill: type[Skill]) -> dict[str, Any]:
        """Options that no form field can hold, as they were set by other ways."""
        if self.instance._state.adding:
            return {}
        stored = next((choice.options for choice in skills_of(self.instance) if choice.skill == name), {})
        return self._beyond(name, skill.Options, stored)

    def _beyond(self, part: str, options: Any, stored: Any) -> dict[str, Any]:
        return {name: stored[name] for name in beyond_forms(options) if name in stored}


def form_class(*, credentials: Choices) -> type[AgentForm]:
    """The form with a field for every option of every skill, and for sampling and limits."""
    fields: dict[str, forms.Field] = {}
    for name, skill in offered_skills():
        fields[f"{name}.enabled"] = forms.BooleanField(
            required=False, label="Use this skill", widget=widgets.UnfoldBooleanSwitchWidget()
        )
        fields |= _prefixed(name, fields_for(skill.Options, credentials=credentials))
    fields |= {tool_field(tool.name): _price_field(name, tool) for name, tool in offered_tools()}
    fields |= _prefixed(SAMPLING, fields_for(Sampling, credentials=()))
    fields |= _prefixed(LIMITS, fields_for(Limits, credentials=()))
    return type("AgentFormWithSkills", (AgentForm,), fields)


def _price_field(skill: str, tool: OfferedTool) -> forms.Field:
    own = {None: "what each call comes to", 0: "free"}.get(tool.nanos) or dollars(tool.nanos or 0)
    return DollarsField(
        scale=NANOS_PER_DOLLAR,
        most=MAX_PER_RUN_NANOS,
        required=False,
        label=f"Price of {tool.name} ($ per call)",
        help_text=f"A tool of the skill {skill}. Leave empty for its own price: {own}.",
    )


def _prefixed(part: str, fields: dict[str, forms.Field]) -> dict[str, forms.Field]:
    return {f"{part}.{name}": field for name, field in fields.items()}


def _lines(value: Any) -> Any:
    """A list of texts as lines; no field shows a list of anything else."""
    is_text = isinstance(value, list) and all(isinstance(line, str) for line in value)
    return "\n".join(value) if is_text else value
