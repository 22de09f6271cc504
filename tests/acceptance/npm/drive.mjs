// Drives a running service with the stock client and prints what it saw as JSON.
//
//   node drive.mjs http://127.0.0.1:8421/v1 rs-...

import OpenAI, { toFile } from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const question = "How often is the quern turned?";
const seen = {};

const file = await client.files.create({
  file: await toFile(Buffer.from("The quern is turned every seventh day."), "quern.txt"),
  purpose: "assistants",
});
const store = await client.vectorStores.create({ name: "npm", metadata: { made: "here" } });
const attached = await client.vectorStores.files.createAndPoll(store.id, {
  file_id: file.id,
  attributes: { year: 2026 },
});
seen.status = attached.status;
seen.attributes = attached.attributes;

const found = await client.vectorStores.search(store.id, {
  query: question,
  filters: { type: "eq", key: "year", value: 2026 },
});
seen.found = found.data.map((hit) => [hit.filename, hit.content[0].text]);

const tools = [{ type: "file_search", vector_store_ids: [store.id] }];
const whole = await client.responses.create({ model: "ragstone", input: question, tools });
seen.text = whole.output_text;
seen.cited = whole.output[1].content[0].annotations.map((cited) => [cited.type, cited.filename, cited.quote]);

const streaming = client.responses.stream({ model: "ragstone", input: question, tools });
seen.events = [];
for await (const event of streaming) seen.events.push(event.type);
seen.streamed = (await streaming.finalResponse()).output_text;

const waiting = await client.responses.create({ model: "ragstone", input: question, tools, background: true });
let late = waiting;
while (["queued", "in_progress"].includes(late.status)) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  late = await client.responses.retrieve(waiting.id);
}
seen.background = [waiting.status, late.status, late.output_text];

const chat = client.chat.completions.stream({
  model: "ragstone/npm",
  messages: [{ role: "user", content: question }],
  stream_options: { include_usage: true },
});
const pieces = [];
for await (const chunk of chat) pieces.push(chunk.choices[0]?.delta?.content ?? "");
const message = (await chat.finalChatCompletion()).choices[0].message;
seen.chat = [pieces.join(""), message.content, message.annotations?.[0]?.url_citation?.title];

const vectors = await client.embeddings.create({ model: "all-MiniLM-L6-v2-int8", input: ["quern", "mill"] });
seen.dimensions = vectors.data.map((one) => one.embedding.length);

seen.models = [];
for await (const model of client.models.list()) seen.models.push(model.id);

try {
  await client.vectorStores.retrieve("vs_nowhere");
} catch (error) {
  seen.missing = [error.constructor.name, error.status, error.code];
}

await client.vectorStores.delete(store.id);
await client.files.delete(file.id);
console.log(JSON.stringify(seen));
