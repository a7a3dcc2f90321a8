// A request with the header `x-backend: ID` goes to that backend, any other to a random one.
import type { Balancer } from "trimtab:plugin/balancer@0.1.0";
import request from "trimtab:plugin/request@0.1.0";
import type { Index, Moment, Verdict } from "trimtab:plugin/types@0.1.0";

let ids: string[] = []; // of all backends, by position
let candidates: Index[] = []; // those that may be picked

export const balancer: Balancer = {
  configure() {
    return { keys: [], observe: false, tickMs: 0, options: [] };
  },

  update(backends) {
    ids = backends.map((backend) => backend.id);
    balancer.adjust(backends.map((backend) => backend.weight), backends.map((backend) => backend.readiness));
  },

  adjust(weights, readiness) {
    candidates = [...ids.keys()].filter((index) => weights[index]! > 0 && readiness[index] === "ready");
  },

  pick(moment: Moment): Verdict {
    const untried = (index: Index) => moment.attempt === 0 || !request.tried(index);
    const wanted = request.header("x-backend");
    const named = wanted === null ? undefined : candidates.find((index) => ids[index] === wanted && untried(index));
    if (named !== undefined) return { tag: "backend", val: named };
    const start = Math.floor((moment.random / 2 ** 64) * candidates.length);
    for (let step = 0; step < candidates.length; step++) {
      const index = candidates[(start + step) % candidates.length]!;
      if (untried(index)) return { tag: "backend", val: index };
    }
    return { tag: "pass" };
  },
};
