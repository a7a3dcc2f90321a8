// A latency-aware canary: backends with the label `canary = "yes"` get `percent` of the new requests, and less in
// proportion as they are slower than the others.
import load from "trimtab:plugin/load@0.1.0";
import request from "trimtab:plugin/request@0.1.0";

const LOOK_US = 100_000; // how often latencies are looked at
const SAMPLE = 8; // at how many backends of each group

let percent = 5;
let isCanary = []; // of all backends, by position
let groups = { stable: [], canary: [] }; // positions of those that may be picked
let share = 0; // of new requests that go to canaries, 0 to 1
let lookedAt = -Infinity;

export const balancer = {
  configure(settings) {
    const { percent: asked = 5, ...rest } = JSON.parse(settings);
    if (!(typeof asked === "number" && asked >= 0 && asked <= 100)) throw "`percent` has to be from 0 to 100";
    for (const name in rest) throw `there is no setting \`${name}\``;
    percent = asked;
    return { keys: [], observe: false, tickMs: 0, options: [] };
  },

  update(backends) {
    isCanary = backends.map(({ labels }) => labels.some(([key, value]) => key === "canary" && value === "yes"));
    balancer.adjust(backends.map((backend) => backend.weight), backends.map((backend) => backend.readiness));
  },

  adjust(weights, readiness) {
    const candidates = [...isCanary.keys()].filter((index) => weights[index] > 0 && readiness[index] === "ready");
    groups = {
      stable: candidates.filter((index) => !isCanary[index]),
      canary: candidates.filter((index) => isCanary[index]),
    };
    lookedAt = -Infinity;
  },

  pick(moment) {
    if (moment.nowUs - lookedAt >= LOOK_US) look(moment);
    // One number for both draws: whether it is a canary, and where in its group.
    const draw = moment.random / 2 ** 64;
    const [first, second, place] =
      draw < share
        ? [groups.canary, groups.stable, draw / share]
        : [groups.stable, groups.canary, (draw - share) / (1 - share || 1)];
    const index = untried(first, place, moment) ?? untried(second, place, moment);
    return index === undefined ? { tag: "pass" } : { tag: "backend", val: index };
  },
};

// Canaries as fast as the others get `percent`; those that take twice as long, half of it.
function look({ nowUs }) {
  const [stable, canary] = [latency(groups.stable), latency(groups.canary)];
  const slowness = stable && canary ? Math.max(1, canary / stable) : 1;
  share = percent / 100 / slowness;
  lookedAt = nowUs;
}

// The mean latency of some of a group, undefined until one is measured.
function latency(group) {
  const known = group.slice(0, SAMPLE).map(load.latencyUs).filter((us) => us !== null);
  return known.length ? known.reduce((sum, us) => sum + us, 0) / known.length : undefined;
}

// The backend at this place of the group, 0 to 1, or the next that this request has not tried.
function untried(group, place, { attempt }) {
  const start = Math.floor(place * group.length);
  for (let step = 0; step < group.length; step++) {
    const index = group[(start + step) % group.length];
    if (attempt === 0 || !request.tried(index)) return index;
  }
}
