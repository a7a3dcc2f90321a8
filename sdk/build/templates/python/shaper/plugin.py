"""A backend with the label `canary` has half its weight, rounded up, in the eyes of the balancer behind it."""

from wit_world import exports


class Shaper(exports.Shaper):
    def configure(self, settings, instance):
        """The settings have `process` in them, as those of any shaper: this one does not need it."""

    def shape(self, backends):
        return [weight(backend) for backend in backends]


def weight(backend):
    is_canary = any(key == "canary" for key, _ in backend.labels)
    return (backend.weight + 1) // 2 if is_canary else backend.weight
