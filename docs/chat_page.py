"""The reference of chat completions: a table of all fields, made from the types that requests are read with."""

from api.openai import parameters
from docs.chat_fields import Row, described, rows
from skills.sdk.parameters import VENDORS

PAGE = """\
# Chat completions

{note}

Every field of OpenAI's Chat Completions, and what is done with it. A value of another type, or beyond its range, is
answered with 400 and the field's name in `param`; `null` is the same as absent. *Forwarded* fields reach the agent's
model as they were sent, unless the agent's owner locked them. A model that does not take one is a 400
`unsupported_parameter` that names it, or goes on without it where the agent says `drop_unsupported`. What the model was
not sent is named in the answer's header `x-robutler-ignored-params`; nothing is dropped in silence.

## Fields

| field | what it may be | what we do |
|---|---|---|
{fields}

## Inside them

`messages[user]` stands for the messages with that role, `content[text]` for the parts of that type. A field with * is
required.

| field | what it may be | what we do |
|---|---|---|
{inside}

## Fields of other vendors

Popular frameworks send these to everyone. They go to models that take them: those behind the `openai` skill at a
`base_url`, and with `litellm` and `anthropic` those that the provider is known to take. Elsewhere they are left out,
and named: {vendors}.

These go to no model, since they would cost more than a run counts, or unset its limits; they are left out, and named:
{ignored}.

Whatever else a request holds is refused: 400 `unknown_parameter`.
"""


def chat_page(note: str) -> str:
    """The page."""
    every = list(rows())
    return PAGE.format(
        note=note,
        fields="\n".join(_line(row) for row in every if not row.steps),
        inside="\n".join(_line(row) for row in every if row.steps),
        vendors=", ".join(f"`{name}`" for name in sorted(VENDORS)),
        ignored=", ".join(f"`{name}`" for name in sorted(parameters.IGNORED)),
    )


def _line(row: Row) -> str:
    return f"| `{row.path}`{' *' if row.required else ''} | {described(row.kind).replace('|', ' ')} | {row.does} |"
