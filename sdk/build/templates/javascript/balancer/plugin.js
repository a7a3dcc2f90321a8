// A request with the header `x-backend: ID` goes to that backend, any other to a random one.
import request from "trimtab:plugin/request@0.1.0";

let ids = []; // of all backends, by position
let candidates = []; // the positions of those that may be picked

export const balancer = {
  configure(settings, instance) {
    return { keys: [], observe: false, tickMs: 0, options: [] };
  },

  update(backends) {
    ids = backends.map((backend) => backend.id);
    balancer.adjust(backends.map((backend) => backend.weight), backends.map((backend) => backend.readiness));
  },

  adjust(weights, readiness) {
    candidates = [...ids.keys()].filter((index) => weights[index] > 0 && readiness[index] === "ready");
  },

  pick(moment) {
    const untried = (index) => moment.attempt === 0 || !request.tried(index);
    const wanted = request.header("x-backend");
    const named = wanted === null ? undefined : candidates.find((index) => ids[index] === wanted && untried(index));
    if (named !== undefined) return { tag: "backend", val: named };
    const start = Math.floor((moment.random / 2 ** 64) * candidates.length);
    for (let step = 0; step < candidates.length; step++) {
      const index = candidates[(start + step) % candidates.length];
      if (untried(index)) return { tag: "backend", val: index };
    }
    return { tag: "pass" };
  },
};
