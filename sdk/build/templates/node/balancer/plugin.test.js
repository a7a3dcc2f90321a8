// Runs in Node, without Wasm: `npm test`. What `#plugin` is, package.json says.
// What the plugin imports of the host is made up here.
import assert from "node:assert";
import { register } from "node:module";
import test from "node:test";

const headers = {};
const tried = new Set();
globalThis.host = {
  request: { header: (name) => headers[name] ?? null, tried: (index) => tried.has(index) },
};
const hooks = `export async function resolve(name, context, next) {
  const [, facts] = /^trimtab:plugin\\/(.*)@/.exec(name) ?? [];
  if (!facts) return next(name, context);
  return { url: "data:text/javascript,export default host[" + JSON.stringify(facts) + "]", shortCircuit: true };
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
const { balancer } = await import("#plugin");

const moment = { key: null, random: 0, nowUs: 0, attempt: 0 };
const table = ["b1", "b2", "b3"].map((id) => ({ id, address: `${id}:80`, weight: 1, readiness: "ready", labels: [] }));

test("the header names the backend", () => {
  balancer.update(table);
  headers["x-backend"] = "b2";
  assert.deepEqual(balancer.pick(moment), { tag: "backend", val: 1 });
});

test("what is not ready is not picked, nor what was tried", () => {
  balancer.update(table);
  balancer.adjust([1, 1, 1], ["ready", "down", "ready"]);
  headers["x-backend"] = "b2";
  tried.add(0);
  for (let random = 0; random < 2 ** 64; random += 2 ** 60) {
    assert.deepEqual(balancer.pick({ ...moment, random, attempt: 1 }), { tag: "backend", val: 2 });
  }
  tried.add(2);
  assert.deepEqual(balancer.pick({ ...moment, attempt: 2 }), { tag: "pass" });
});
