// Runs in Node, without Wasm, on what the last build left in built/: `npm test`. What the plugin imports of the host is
// made up here.
import assert from "node:assert";
import { register } from "node:module";
import test from "node:test";

let sent = {}; // of the request: its headers, and its cookies
let set = {}; // the cookies that the response sets
let entries = new Map(); // of the table, by the text of their keys
const tried = new Set();
globalThis.host = {
  request: {
    header: (name) => sent[name] ?? null,
    cookie: (name) => sent.cookies?.[name] ?? null,
    tried: (index) => tried.has(index),
  },
  response: { setCookie: (name) => set[name] ?? null },
  table: {
    get: (key) => entries.get(String(key))?.value ?? null,
    put: (key, value, ttl) => (assert.ok(key.length <= 1024), entries.set(String(key), { value, ttl }), true),
  },
};
const hooks = `export async function resolve(name, context, next) {
  const [, facts] = /^trimtab:plugin\\/(.*)@/.exec(name) ?? [];
  if (!facts) return next(name, context);
  return { url: "data:text/javascript,export default host[" + JSON.stringify(facts) + "]", shortCircuit: true };
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
const { affinity } = await import("./built/plugin.js");

const moment = { key: null, random: 0, nowUs: 0, attempt: 0 };
const PASS = { tag: "pass" };
const backend = (val) => ({ tag: "backend", val });
const bearer = (payload) => `Bearer e30.${Buffer.from(payload).toString("base64url")}.signature`;
const token = (claims) => ({ authorization: bearer(JSON.stringify(claims)) });

test.beforeEach(() => {
  affinity.configure('{ "secret": "x" }');
  const table = ["b1", "b2", "ü 3"].map((id) => ({ id, address: "", weight: 1, readiness: "ready", labels: [] }));
  affinity.update(table);
  [sent, set, entries] = [{}, {}, new Map()];
  tried.clear();
});

test("a claim of the token binds", () => {
  sent = token({ sid: "alice" });
  assert.deepEqual(affinity.find(moment), PASS);
  assert.deepEqual(affinity.bind(moment, 2, null), []);
  assert.deepEqual(affinity.find(moment), backend(2));
  sent = token({ sid: "bob" });
  assert.deepEqual(affinity.find(moment), PASS);
});

test("so does a cookie, from the response on that sets it", () => {
  set = { session: "s-1" };
  affinity.bind(moment, 1, null);
  set = {};
  sent = { cookies: { session: "s-1" } };
  assert.deepEqual(affinity.find(moment), backend(1));
});

test("the first answer of a session decides, and each one after it renews", () => {
  affinity.configure('{ "ttl_seconds": 60 }');
  sent = token({ sid: "alice" });
  affinity.bind(moment, 0, null);
  affinity.bind(moment, 1, null);
  assert.deepEqual(affinity.find(moment), backend(0));
  const [entry] = entries.values();
  assert.equal(entry.ttl, 60_000);
  entry.ttl = 1;
  affinity.bind(moment, 0, 0);
  assert.equal([...entries.values()][0].ttl, 60_000);
});

test("draining keeps its sessions, down loses them", () => {
  sent = token({ sid: "alice" });
  affinity.bind(moment, 0, null);
  affinity.adjust([1, 1, 1], ["draining", "ready", "ready"]);
  assert.deepEqual(affinity.find(moment), backend(0));
  affinity.adjust([1, 1, 1], ["down", "ready", "ready"]);
  assert.deepEqual(affinity.find(moment), PASS);
  affinity.bind(moment, 1, null);
  assert.deepEqual(affinity.find(moment), backend(1));
  tried.add(1);
  assert.deepEqual(affinity.find({ ...moment, attempt: 1 }), PASS);
});

test("what is no session is none", () => {
  const strange = ["", "null", "7", '"sid"', "[]", "{", '{"sid":""}', '{"sid":{}}', '{"sid":"\\ud800"}'];
  const headers = [...strange.map(bearer), "Bearer", "Bearer a.b", "Bearer a.????.c", "Basic eDp5", ""];
  for (const authorization of headers) {
    sent = { authorization };
    affinity.bind(moment, 0, null);
    assert.deepEqual(affinity.find(moment), PASS, authorization);
  }
  sent = { cookies: { session: "x".repeat(1000) } };
  affinity.bind(moment, 0, null);
  assert.equal(entries.size, 0);
  sent = token({ sid: "€".repeat(30) });
  affinity.bind(moment, 0, null);
  assert.deepEqual(affinity.find(moment), backend(0));
});

test("settings that make no sense are refused", () => {
  for (const settings of ['{ "ttl": 5 }', '{ "ttl_seconds": "5" }', '{ "ttl_seconds": 0 }', '{ "claim": 1 }']) {
    assert.throws(() => affinity.configure(settings));
  }
});
