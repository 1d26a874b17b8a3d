"""Form fields made from a skill's Options, so that nobody configures a skill by writing JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from pydantic import BaseModel
from unfold import widgets

Choices = Sequence[tuple[str, str]]


def fields_for(options: type[BaseModel], *, credentials: Choices) -> dict[str, forms.Field]:
    """One form field per option that a form can hold, in the order they are declared.

    `credentials` are offered wherever an option refers to one.
    """
    schema = options.model_json_schema()
    required = set(schema.get("required", ()))
    fields = {}
    for name, described in schema.get("properties", {}).items():
        shape = _resolved(described, schema.get("$defs", {}))
        field = _field(shape, required=name in required, credentials=credentials)
        if field is not None:
            field.label = name.replace("_", " ").capitalize()
            field.help_text = described.get("description", "")
            field.initial = _shown(shape.get("default"))
            fields[name] = field
    return fields


def beyond_forms(options: type[BaseModel]) -> list[str]:
    """The options whose structure no form field can hold; a page names them instead of showing raw JSON."""
    return [
        name
        for name in options.model_json_schema().get("properties", {})
        if name not in fields_for(options, credentials=())
    ]


def values_from(options: type[BaseModel], cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were set, as their class expects them: what was left empty keeps its default."""
    schema = options.model_json_schema()
    values: dict[str, Any] = {}
    for name, described in schema.get("properties", {}).items():
        value = cleaned.get(name)
        shape = _resolved(described, schema.get("$defs", {}))
        if shape.get("type") == "array" and isinstance(value, str):
            value = [line.strip() for line in value.splitlines() if line.strip()]
        if value not in (None, "", []) and value != shape.get("default"):
            values[name] = value
    return values


def _resolved(described: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of the value itself: references followed, `or null` taken off and noted."""
    shape = dict(described)
    alternatives = shape.pop("anyOf", shape.pop("allOf", ()))
    real = [alternative for alternative in alternatives if alternative.get("type") != "null"]
    if real:
        # Text or lines of text: lines hold both.
        lines = [alternative for alternative in real if alternative.get("type") == "array"]
        shape = {**(lines or real)[0], **shape, "nullable": len(real) < len(alternatives)}
    if (reference := shape.pop("$ref", None)) is not None:
        shape = {**definitions[reference.rsplit("/", 1)[-1]], **shape}
    return shape


def _field(shape: Mapping[str, Any], *, required: bool, credentials: Choices) -> forms.Field | None:
    if shape.get("format") == "credential":
        return _choice([("", "The organization's, else the platform's"), *credentials], required=required)
    if "enum" in shape:
        unset = [("", "Default")] if shape.get("nullable") else []
        return _choice([*unset, *((str(value), str(value)) for value in shape["enum"])], required=required)
    match shape.get("type"):
        case "boolean" if shape.get("nullable"):
            return _yes_or_no()
        case "boolean":
            return forms.BooleanField(required=False, widget=widgets.UnfoldBooleanSwitchWidget())
        case "integer":
            return forms.IntegerField(
                required=required, widget=widgets.UnfoldAdminIntegerFieldWidget(), **_bounds(shape)
            )
        case "number":
            return forms.FloatField(required=required, widget=widgets.UnfoldAdminDecimalFieldWidget(), **_bounds(shape))
        case "string":
            return _text(shape, required=required)
        case "array" if shape.get("items", {}).get("type") == "string":
            return forms.CharField(required=required, widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 3}))
    return None


def _choice(choices: Choices, *, required: bool) -> forms.ChoiceField:
    return forms.ChoiceField(choices=choices, required=required, widget=widgets.UnfoldAdminSelectWidget())


def _yes_or_no() -> forms.TypedChoiceField:
    """An option that may be left unset, which is a third thing beside yes and no."""
    return forms.TypedChoiceField(
        choices=[("", "Default"), ("True", "Yes"), ("False", "No")],
        coerce=lambda chosen: chosen == "True",
        empty_value=None,
        required=False,
        widget=widgets.UnfoldAdminSelectWidget(),
    )


def _text(shape: Mapping[str, Any], *, required: bool) -> forms.CharField:
    long = shape.get("maxLength", 0) > 500
    widget = widgets.UnfoldAdminTextareaWidget(attrs={"rows": 4}) if long else widgets.UnfoldAdminTextInputWidget()
    return forms.CharField(
        required=required, min_length=shape.get("minLength"), max_length=shape.get("maxLength"), widget=widget
    )


def _bounds(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Inclusive bounds as a form knows them; exclusive ones are left to the Options, which check everything again."""
    return {
        target: shape[source]
        for target, source in (("min_value", "minimum"), ("max_value", "maximum"))
        if source in shape
    }


def _shown(default: Any) -> Any:
    return "\n".join(default) if isinstance(default, list) else default
