// Runs in Node, without Wasm: `npm test`. What the plugin imports of the host is made up here.
import assert from "node:assert";
import { register } from "node:module";
import test from "node:test";

let latencies = [];
const tried = new Set();
globalThis.host = {
  load: { latencyUs: (index) => latencies[index] ?? null },
  request: { tried: (index) => tried.has(index) },
};
const hooks = `export async function resolve(name, context, next) {
  const [, facts] = /^trimtab:plugin\\/(.*)@/.exec(name) ?? [];
  if (!facts) return next(name, context);
  return { url: "data:text/javascript,export default host[" + JSON.stringify(facts) + "]", shortCircuit: true };
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
const { balancer } = await import("./plugin.js");

// How many of a thousand requests, with draws that are even, go to the canary: the last of three.
function toCanary(nowUs) {
  let count = 0;
  for (let n = 0; n < 1000; n++) {
    const verdict = balancer.pick({ key: null, random: ((n + 0.5) / 1000) * 2 ** 64, nowUs, attempt: 0 });
    count += verdict.val === 2;
  }
  return count;
}

test.beforeEach(() => {
  balancer.configure('{ "percent": 20 }');
  const labels = [[], [], [["canary", "yes"]]];
  balancer.update(labels.map((labels, n) => ({ id: `b${n}`, address: "", weight: 1, readiness: "ready", labels })));
  latencies = [];
  tried.clear();
});

test("a canary that is as fast gets its percent", () => {
  assert.equal(toCanary(0), 200);
  latencies = [1000, 1000, 1000];
  assert.equal(toCanary(1e6), 200);
  latencies = [1000, 1000, 500];
  assert.equal(toCanary(2e6), 200);
});

test("a slower one gets less, until it is fast again", () => {
  latencies = [1000, 3000, 8000];
  assert.equal(toCanary(0), 50);
  latencies = [1000, 1000, 1000];
  assert.equal(toCanary(50_000), 50, "looked at every 100 ms");
  assert.equal(toCanary(100_000), 200);
});

test("the ends of chance are fine", () => {
  for (const percent of [0, 50, 100]) {
    balancer.configure(JSON.stringify({ percent }));
    for (const random of [0, 2 ** 63, 2 ** 64]) {
      const { tag, val } = balancer.pick({ key: null, random, nowUs: percent * 1e6, attempt: 0 });
      assert.equal(tag, "backend");
      assert.ok(val >= 0 && val <= 2);
    }
  }
});

test("where a group has nobody left, the other answers, and then nobody", () => {
  const moment = { key: null, random: 0, nowUs: 0, attempt: 1 };
  tried.add(2);
  assert.notEqual(balancer.pick(moment).val, 2);
  tried.add(0).add(1);
  assert.deepEqual(balancer.pick(moment), { tag: "pass" });
  tried.clear();
  balancer.adjust([1, 1, 1], ["down", "down", "ready"]);
  assert.equal(balancer.pick({ ...moment, random: 2 ** 63 }).val, 2);
});

test("settings that make no sense are refused", () => {
  for (const settings of ['{ "percent": 101 }', '{ "percent": "5" }', '{ "share": 5 }']) {
    assert.throws(() => balancer.configure(settings));
  }
});
