// Runs in Node, without Wasm: `npm test`. What `#plugin` is, package.json says.
// What the plugin imports of the host is made up here.
import assert from "node:assert";
import { register } from "node:module";
import test from "node:test";

const cookies = {};
const tried = new Set();
globalThis.host = {
  request: { cookie: (name) => cookies[name] ?? null, tried: (index) => tried.has(index) },
};
const hooks = `export async function resolve(name, context, next) {
  const [, facts] = /^trimtab:plugin\\/(.*)@/.exec(name) ?? [];
  if (!facts) return next(name, context);
  return { url: "data:text/javascript,export default host[" + JSON.stringify(facts) + "]", shortCircuit: true };
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
const { affinity } = await import("#plugin");

const moment = { key: null, random: 0, nowUs: 0, attempt: 0 };
const table = ["b1", "b2", "b3"].map((id) => ({ id, address: `${id}:80`, weight: 1, readiness: "ready", labels: [] }));

test("a response binds, unless its request was bound", () => {
  affinity.update(table);
  const header = ["set-cookie", "backend=b2; Path=/; HttpOnly; SameSite=Lax"];
  assert.deepEqual(affinity.bind(moment, 1, null), [header]);
  assert.deepEqual(affinity.bind(moment, 1, 0), [header]);
  assert.deepEqual(affinity.bind(moment, 1, 1), []);
});

test("a client comes back, as long as its backend is not down", () => {
  affinity.update(table);
  assert.deepEqual(affinity.find(moment), { tag: "pass" });
  for (const [id, verdict] of [["b2", { tag: "backend", val: 1 }], ["b9", { tag: "pass" }], ["b2", { tag: "backend", val: 1 }]]) {
    cookies.backend = id;
    assert.deepEqual(affinity.find(moment), verdict);
  }
  affinity.adjust([1, 1, 1], ["ready", "draining", "ready"]);
  assert.deepEqual(affinity.find(moment), { tag: "backend", val: 1 });
  tried.add(1);
  assert.deepEqual(affinity.find({ ...moment, attempt: 1 }), { tag: "pass" });
  affinity.adjust([1, 1, 1], ["ready", "down", "ready"]);
  assert.deepEqual(affinity.find(moment), { tag: "pass" });
});
