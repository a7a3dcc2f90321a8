// A backend with the label `canary` has half its weight, rounded up, in the eyes of the balancer behind it.
import type { Shaper } from "trimtab:plugin/shaper@0.1.0";

export const shaper: Shaper = {
  // The settings have `process` in them, as those of any shaper: this one does not need it.
  configure() {},

  shape(backends) {
    return backends.map(({ weight, labels }) => {
      const isCanary = labels.some(([key]) => key === "canary");
      return isCanary ? Math.ceil(weight / 2) : weight;
    });
  },
};
