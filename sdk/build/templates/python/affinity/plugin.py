"""The cookie `backend` has the id of the backend that answered: a request with it goes there again."""

from wit_world import exports
from wit_world.imports import request
from wit_world.imports.types import Plan, Readiness, Verdict_Backend, Verdict_Pass

# What lasts from call to call: of each call, the class below has an object of its own.
ids = []  # of all backends, by position
is_there = []  # whether they are not down


class Affinity(exports.Affinity):
    def configure(self, settings, instance):
        # The settings have `secret` in them, as those of any affinity: this one does not need it.
        return Plan(keys=[], observe=False, tick_ms=0, options=[])

    def update(self, backends):
        ids[:] = [backend.id for backend in backends]
        self.adjust([backend.weight for backend in backends], [backend.readiness for backend in backends])

    def adjust(self, weights, readiness):
        is_there[:] = [now is not Readiness.DOWN for now in readiness]

    def find(self, moment):
        bound = request.cookie("backend")
        index = ids.index(bound) if bound in ids else None
        if index is None or not is_there[index] or (moment.attempt > 0 and request.tried(index)):
            return Verdict_Pass()
        return Verdict_Backend(index)

    def bind(self, moment, backend, found):
        if found == backend or backend >= len(ids):
            return []
        return [("set-cookie", f"backend={ids[backend]}; Path=/; HttpOnly; SameSite=Lax")]
