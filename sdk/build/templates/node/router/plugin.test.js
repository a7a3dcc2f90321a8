// Runs in Node, without Wasm: `npm test`. What `#plugin` is, package.json says.
// What the plugin imports of the host is made up here.
import assert from "node:assert";
import { register } from "node:module";
import test from "node:test";

const headers = {};
globalThis.host = { request: { header: (name) => headers[name] ?? null } };
const hooks = `export async function resolve(name, context, next) {
  const [, facts] = /^trimtab:plugin\\/(.*)@/.exec(name) ?? [];
  if (!facts) return next(name, context);
  return { url: "data:text/javascript,export default host[" + JSON.stringify(facts) + "]", shortCircuit: true };
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
const { router } = await import("#plugin");

const moment = { key: null, random: 0, nowUs: 0, attempt: 0 };

test("the header names the pool", () => {
  router.configure("{}", { pool: "all", worker: 0, workers: 1, generation: 1 }, ["web", "next"]);
  assert.deepEqual(router.route(moment), { tag: "pass" });
  const pools = { web: { tag: "pool", val: 0 }, next: { tag: "pool", val: 1 }, other: { tag: "pass" }, "": { tag: "pass" } };
  for (const [named, destination] of Object.entries(pools)) {
    headers["x-pool"] = named;
    assert.deepEqual(router.route(moment), destination, named);
  }
});
