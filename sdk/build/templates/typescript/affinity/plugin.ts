// The cookie `backend` has the id of the backend that answered: a request with it goes there again.
import type { Affinity } from "trimtab:plugin/affinity@0.1.0";
import request from "trimtab:plugin/request@0.1.0";

let ids: string[] = []; // of all backends, by position
let isThere: boolean[] = []; // whether they are not down

export const affinity: Affinity = {
  // The settings have `secret` in them, as those of any affinity: this one does not need it.
  configure() {
    return { keys: [], observe: false, tickMs: 0, options: [] };
  },

  update(backends) {
    ids = backends.map((backend) => backend.id);
    affinity.adjust(backends.map((backend) => backend.weight), backends.map((backend) => backend.readiness));
  },

  adjust(_weights, readiness) {
    isThere = readiness.map((now) => now !== "down");
  },

  find(moment) {
    const bound = request.cookie("backend");
    const index = bound === null ? -1 : ids.indexOf(bound);
    if (index < 0 || !isThere[index] || (moment.attempt > 0 && request.tried(index))) return { tag: "pass" };
    return { tag: "backend", val: index };
  },

  bind(_moment, backend, found) {
    if (found === backend || backend >= ids.length) return [];
    return [["set-cookie", `backend=${ids[backend]}; Path=/; HttpOnly; SameSite=Lax`]];
  },
};
