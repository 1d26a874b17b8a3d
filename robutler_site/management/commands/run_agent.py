"""`manage.py run_agent`: ask an agent something, billed as any other call."""

import asyncio
import os
from contextlib import aclosing
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

import outbound
from agents.errors import AgentsError
from agents.runtime.events import Delta, ToolFinished, ToolStarted
from agents.services.runs import RunRequest, RunStream, start_run
from billing import ledger
from billing.errors import BillingError
from robutler_site import output
from skills.sdk.errors import SkillError
from tenants import notify, selectors
from tenants.errors import TenantsError
from tenants.ids import uuid7

KEY_VARIABLE = "ROBUTLER_API_KEY"


class Command(BaseCommand):
    """Run an agent once and print what it says and does."""

    help = "Ask an agent something and print its answer, its tools and what it cost."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("agent", help="Its address: the slug, or organization/slug.")
        parser.add_argument("message", help="What to say to it.")
        parser.add_argument("--key", help=f"The API key that calls and pays (default: {KEY_VARIABLE}).")
        output.add_json_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        key = options["key"] or os.environ.get(KEY_VARIABLE, "")
        if not key:
            raise CommandError(f"Give the key that pays, with --key or in {KEY_VARIABLE}.")
        try:
            row = asyncio.run(self._ask(key, options["agent"], options["message"], aloud=not options["as_json"]))
        except (AgentsError, BillingError, SkillError, TenantsError) as error:
            raise CommandError(str(error) or type(error).__name__) from error
        if options["as_json"]:
            output.show(self.stdout, [row], as_json=True)
        else:
            self.stdout.write(f"\n\n{row['status']}, charged {output.dollars(int(row['charged_nanos']))}")

    async def _ask(self, key: str, address: str, message: str, *, aloud: bool) -> dict[str, Any]:
        outbound.configure(allow=settings.ROBUTLER.outbound_allow, ports=settings.ROBUTLER.outbound_ports)
        run_id = uuid7()
        request = RunRequest(
            run_id=run_id,
            request_id=f"command-{run_id}",
            messages=[{"role": "user", "content": message}],
            body_bytes=len(message.encode()),
        )
        try:
            caller = await selectors.caller_for(key)
            async with aclosing(await start_run(caller=caller, address=address, request=request)) as stream:
                text = await self._listen(stream, aloud=aloud)
            assert stream.receipt is not None
            receipt = stream.receipt
        finally:
            ledger.drain()
            await outbound.close_all()
            notify.stop_listener()
        return {
            "run_id": run_id,
            "answer": text,
            "status": receipt.status,
            "charged_nanos": str(receipt.charged_nanos),
        }

    async def _listen(self, stream: RunStream, *, aloud: bool) -> str:
        words = []
        async for event in stream:
            match event:
                case Delta(choice=0, text=text) if text:
                    words.append(text)
                    said = text
                case ToolStarted(name=name, arguments=arguments):
                    said = f"[{name} {arguments}]\n"
                case ToolFinished(name=name, ok=ok, content=content):
                    said = f"[{name} {'returned' if ok else 'failed'}: {content}]\n"
                case _:
                    continue
            if aloud:
                self.stdout.write(said, ending="")
                self.stdout.flush()
        return "".join(words)
