// A backend with the label `canary` has half its weight, rounded up, in the eyes of the balancer behind it.
export const shaper = {
  // The settings have `process` in them, as those of any shaper: this one does not need it.
  configure(settings, instance) {},

  shape(backends) {
    return backends.map(({ weight, labels }) => {
      const isCanary = labels.some(([key]) => key === "canary");
      return isCanary ? Math.ceil(weight / 2) : weight;
    });
  },
};
