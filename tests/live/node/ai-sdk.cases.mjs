// The Vercel AI SDK, by its provider for whatever speaks OpenAI and by the one for OpenAI itself.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

import { seat } from "./seat.mjs";

const Trip = z.object({ city: z.string(), days: z.number().int() });
const riga = "Weather and population of Riga?";

const compatible = (name = seat.persona, apiKey = seat.key) =>
  createOpenAICompatible({
    name: "robutler",
    baseURL: seat.url,
    apiKey,
    includeUsage: true,
    supportsStructuredOutputs: true,
  })(name);
const official = (name = seat.persona, apiKey = seat.key) => createOpenAI({ baseURL: seat.url, apiKey }).chat(name);

const tools = (seen = []) =>
  Object.fromEntries(
    ["weather", "population"].map((name) => [
      name,
      tool({
        description: `Tell the ${name} of a city.`,
        inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => {
          seen.push(`${name} of ${city}`);
          return `${name}: fine`;
        },
      }),
    ]),
  );

for (const [provider, model] of Object.entries({ compatible, official })) {
  test(`${provider}: text with a system prompt`, async () => {
    const answer = await generateText({ model: model(), system: "Be brief.", prompt: "Say cheese", maxRetries: 0 });

    assert.equal(answer.text, "cheese");
    assert.equal(answer.finishReason, "stop");
    assert.ok(answer.usage.totalTokens > 0);
  });

  test(`${provider}: text streams`, async () => {
    const answer = streamText({ model: model(), prompt: "Count to 30" });
    const pieces = [];
    for await (const piece of answer.textStream) pieces.push(piece);

    assert.ok(pieces.length > 5);
    assert.ok(pieces.join("").endsWith("29 30"));
    assert.ok((await answer.usage).outputTokens > 0);
  });

  test(`${provider}: a conversation with a past`, async () => {
    const messages = ["Say bread", "bread", "Say cheese"].map((content, index) => ({
      role: index % 2 ? "assistant" : "user",
      content,
    }));

    assert.equal((await generateText({ model: model(), messages })).text, "cheese");
  });

  test(`${provider}: tools in several steps`, async () => {
    const seen = [];

    const answer = await generateText({ model: model(), prompt: riga, tools: tools(seen), stopWhen: stepCountIs(3) });

    assert.deepEqual(seen, ["weather of Riga", "population of Riga"]);
    assert.equal(answer.steps.length, 2);
    assert.match(answer.text, /weather: fine.*population: fine/);
  });

  test(`${provider}: tools in several streamed steps`, async () => {
    const answer = streamText({ model: model(), prompt: riga, tools: tools(), stopWhen: stepCountIs(3) });
    const kinds = [];
    for await (const part of answer.fullStream) kinds.push(part.type);

    assert.equal(kinds.filter((kind) => kind === "tool-call").length, 2);
    assert.equal(kinds.filter((kind) => kind === "tool-result").length, 2);
    assert.match(await answer.text, /weather: fine.*population: fine/);
  });

  test(`${provider}: a tool is demanded`, async () => {
    const answer = await generateText({ model: model(), prompt: "What is 17 * 23?", tools: tools(), toolChoice: "required" });

    assert.deepEqual(answer.toolCalls.map((call) => call.toolName), ["population"]);
  });

  test(`${provider}: an object`, async () => {
    const answer = await generateText({
      model: model(),
      prompt: "A trip of 3 days to Riga.",
      output: Output.object({ schema: Trip }),
    });

    assert.deepEqual(answer.output, { city: "Riga", days: 3 });
  });

  test(`${provider}: an object streams`, async () => {
    const answer = streamText({
      model: model(),
      prompt: "A trip of 3 days to Riga.",
      output: Output.object({ schema: Trip }),
    });
    let last;
    for await (const part of answer.partialOutputStream) last = part;

    assert.deepEqual(last, { city: "Riga", days: 3 });
  });

  test(`${provider}: a picture is taken`, async () => {
    const image = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0]);
    const content = [{ type: "text", text: "Say cheese" }, { type: "image", image, mediaType: "image/png" }];

    assert.equal((await generateText({ model: model(), messages: [{ role: "user", content }] })).text, "cheese");
  });

  test(`${provider}: errors have their status`, async () => {
    const status = async (name, key, options = {}) => {
      try {
        await generateText({ model: model(name, key), prompt: "hi", maxRetries: 0, ...options });
      } catch (error) {
        assert.ok(APICallError.isInstance(error), String(error));
        return [error.statusCode, error.isRetryable];
      }
      return [200, false];
    };

    assert.deepEqual(await status(seat.persona, seat.wrong_key), [401, false]);
    assert.deepEqual(await status(seat.persona, seat.poor_key), [402, false]);
    assert.deepEqual(await status("nobody"), [404, false]);
    assert.deepEqual(await status(seat.crowded), [429, true]);
    assert.deepEqual(await status(seat.persona, seat.key, { temperature: 3 }), [400, false]);
  });

  test(`${provider}: a stream that breaks says so`, async () => {
    const errors = [];
    const answer = streamText({ model: model(seat.broken), prompt: "hi", onError: ({ error }) => errors.push(error) });
    await answer.consumeStream();

    assert.equal(errors.length, 1);
  });

  test(`${provider}: leaving in the middle`, async () => {
    const leaving = new AbortController();
    const answer = streamText({ model: model(seat.slow), prompt: "go", abortSignal: leaving.signal });
    const kinds = [];
    for await (const part of answer.fullStream) {
      kinds.push(part.type);
      if (part.type === "text-delta") leaving.abort();
    }

    assert.equal(kinds.at(-1), "abort");
  });
}
