"""A request with the header `x-backend: ID` goes to that backend, any other to a random one."""

from wit_world import exports
from wit_world.imports import request
from wit_world.imports.types import Plan, Readiness, Verdict_Backend, Verdict_Pass

# What lasts from call to call: of each call, the class below has an object of its own.
ids = []  # of all backends, by position
candidates = []  # the positions of those that may be picked


class Balancer(exports.Balancer):
    def configure(self, settings, instance):
        return Plan(keys=[], observe=False, tick_ms=0, options=[])

    def update(self, backends):
        ids[:] = [backend.id for backend in backends]
        self.adjust([backend.weight for backend in backends], [backend.readiness for backend in backends])

    def adjust(self, weights, readiness):
        may = [weight > 0 and ready is Readiness.READY for weight, ready in zip(weights, readiness)]
        candidates[:] = [index for index, may_be_picked in enumerate(may) if may_be_picked]

    def pick(self, moment):
        def untried(index):
            return moment.attempt == 0 or not request.tried(index)

        if (wanted := request.header("x-backend")) is not None:
            for index in candidates:
                if ids[index] == wanted and untried(index):
                    return Verdict_Backend(index)
        for step in range(len(candidates)):
            index = candidates[(moment.random + step) % len(candidates)]
            if untried(index):
                return Verdict_Backend(index)
        return Verdict_Pass()
