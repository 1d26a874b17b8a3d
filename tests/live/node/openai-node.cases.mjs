// The official Node SDK: whole and streamed answers, tools and their runner, Zod, errors and leaving.

import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { ask, seat } from "./seat.mjs";

const Trip = z.object({ city: z.string(), days: z.number().int() });
const where = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = ["weather", "population"].map((name) => ({ type: "function", function: { name, parameters: where } }));
const riga = "Weather and population of Riga?";

const client = (options = {}) => new OpenAI({ baseURL: seat.url, apiKey: seat.key, maxRetries: 0, ...options });

const runnable = (seen) =>
  ["weather", "population"].map((name) => ({
    type: "function",
    function: {
      name,
      parameters: where,
      parse: JSON.parse,
      function: ({ city }) => {
        seen.push(`${name} in ${city}`);
        return `${name}: fine`;
      },
    },
  }));

test("a whole answer", async () => {
  const { data, response } = await client()
    .chat.completions.create({ model: seat.persona, messages: ask("Say cheese") })
    .withResponse();

  assert.equal(data.choices[0].message.content, "cheese");
  assert.ok(data.usage.total_tokens > 0);
  assert.equal(data._request_id, response.headers.get("x-request-id"));
});

test("a streamed answer with usage", async () => {
  const stream = await client().chat.completions.create({
    model: seat.persona,
    messages: ask("Count to 30"),
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);

  const text = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content ?? "")).join("");
  assert.ok(text.endsWith("29 30"));
  assert.ok(chunks.at(-1).usage.completion_tokens > 0);
});

test("a system prompt and a past", async () => {
  const messages = [
    { role: "developer", content: "Be brief." },
    ...ask("Say bread"),
    { role: "assistant", content: "bread" },
    ...ask("Say cheese"),
  ];

  const answer = await client().chat.completions.create({ model: seat.persona, messages });

  assert.equal(answer.choices[0].message.content, "cheese");
});

test("the stream helper", async () => {
  const stream = client().chat.completions.stream({ model: seat.persona, messages: ask("Say cheese") });
  const pieces = [];
  stream.on("content", (piece) => pieces.push(piece));

  assert.equal(await stream.finalContent(), "cheese");
  assert.equal(pieces.join(""), "cheese");
});

for (const streamed of [false, true]) {
  test(`tools are called and answered${streamed ? " in a stream" : ""}`, async () => {
    const asked = { model: seat.persona, tools };
    const messages = ask(riga);
    const first = streamed
      ? await client().chat.completions.stream({ ...asked, messages }).finalChatCompletion()
      : await client().chat.completions.create({ ...asked, messages });
    const { message, finish_reason: reason } = first.choices[0];
    messages.push(message);
    for (const call of message.tool_calls)
      messages.push({ role: "tool", tool_call_id: call.id, content: `${call.function.name}: fine` });

    const answer = await client().chat.completions.create({ ...asked, messages });

    assert.equal(reason, "tool_calls");
    assert.deepEqual(message.tool_calls.map((call) => JSON.parse(call.function.arguments)), [
      { city: "Riga" },
      { city: "Riga" },
    ]);
    assert.match(answer.choices[0].message.content, /weather: fine.*population: fine/);
  });

  test(`the tool runner${streamed ? " in a stream" : ""}`, async () => {
    const seen = [];
    const runner = client().chat.completions.runTools({
      model: seat.persona,
      messages: ask(riga),
      tools: runnable(seen),
      stream: streamed,
    });

    assert.match(await runner.finalContent(), /weather: fine.*population: fine/);
    assert.deepEqual(seen, ["weather in Riga", "population in Riga"]);
  });
}

test("a tool is demanded", async () => {
  const answer = await client().chat.completions.create({
    model: seat.persona,
    messages: ask("What is 17 * 23?"),
    tools,
    tool_choice: { type: "function", function: { name: "weather" } },
  });

  assert.deepEqual(answer.choices[0].message.tool_calls.map((call) => call.function.name), ["weather"]);
});

test("a legacy function call", async () => {
  const answer = await client().chat.completions.create({
    model: seat.persona,
    messages: ask("Weather in Riga?"),
    functions: [{ name: "weather", parameters: where }],
  });

  assert.equal(answer.choices[0].finish_reason, "function_call");
  assert.deepEqual(JSON.parse(answer.choices[0].message.function_call.arguments), { city: "Riga" });
});

test("an answer is parsed by Zod", async () => {
  const asked = { model: seat.persona, messages: ask("A trip of 3 days to Riga."), response_format: zodResponseFormat(Trip, "trip") };

  const whole = await client().chat.completions.parse(asked);
  const streamed = await client().chat.completions.stream(asked).finalChatCompletion();

  assert.deepEqual(whole.choices[0].message.parsed, { city: "Riga", days: 3 });
  assert.deepEqual(streamed.choices[0].message.parsed, { city: "Riga", days: 3 });
});

test("a tool's arguments are parsed by Zod", async () => {
  const answer = await client().chat.completions.parse({
    model: seat.persona,
    messages: ask("Please book a trip of 3 days to Riga."),
    tools: [zodFunction({ name: "book_trip", parameters: Trip })],
  });

  assert.deepEqual(answer.choices[0].message.tool_calls[0].function.parsed_arguments, { city: "Riga", days: 3 });
});

test("models are listed and found", async () => {
  const ids = [];
  for await (const model of client().models.list()) ids.push(model.id);

  assert.ok(ids.includes(seat.persona));
  assert.equal((await client().models.retrieve(seat.persona)).id, seat.persona);
});

test("errors have their classes", async () => {
  const create = (options = {}, body = {}) =>
    client(options).chat.completions.create({ model: seat.persona, messages: ask("hi"), ...body });

  await assert.rejects(create({ apiKey: seat.wrong_key }), OpenAI.AuthenticationError);
  await assert.rejects(create({}, { model: "nobody" }), OpenAI.NotFoundError);
  await assert.rejects(create({}, { model: seat.crowded }), OpenAI.RateLimitError);
  await assert.rejects(create({ apiKey: seat.poor_key, maxRetries: 5 }), { status: 402 });
  await assert.rejects(create({}, { temperature: 3 }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.deepEqual([error.code, error.param], ["invalid_value", "temperature"]);
    return true;
  });
});

test("a limit is tried again", async () => {
  let asked = 0;
  const counting = (...request) => {
    asked += 1;
    return fetch(...request);
  };

  await assert.rejects(
    client({ fetch: counting, maxRetries: 1 }).chat.completions.create({ model: seat.crowded, messages: ask("hi") }),
    OpenAI.RateLimitError,
  );

  assert.equal(asked, 2);
});

test("a stream that breaks raises", async () => {
  const stream = await client().chat.completions.create({ model: seat.broken, messages: ask("hi"), stream: true });

  await assert.rejects(async () => {
    for await (const chunk of stream) assert.ok(chunk.id);
  }, OpenAI.APIError);
});

test("leaving in the middle", async () => {
  const stream = await client().chat.completions.create({ model: seat.slow, messages: ask("go"), stream: true });
  for await (const chunk of stream) if (chunk.choices[0].delta.content) break;

  assert.ok(stream.controller.signal.aborted);
});
