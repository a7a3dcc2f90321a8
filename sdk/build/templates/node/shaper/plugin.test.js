// Runs in Node, without Wasm: `npm test`. What `#plugin` is, package.json says.
import assert from "node:assert";
import test from "node:test";
import { shaper } from "#plugin";

const backend = (weight, ...keys) => ({ id: "b", address: "b:80", weight, readiness: "ready", labels: keys.map((key) => [key, "yes"]) });

test("a canary has half its weight", () => {
  const table = [backend(10), backend(10, "area"), backend(10, "area", "canary"), backend(5, "canary"), backend(0, "canary")];
  assert.deepEqual(shaper.shape(table), [10, 10, 5, 3, 0]);
  assert.deepEqual(shaper.shape([]), []);
});
