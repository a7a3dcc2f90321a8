"""A request with the header `x-pool: NAME` goes to that pool, if it is one of the route's; any other to the route's own."""

from wit_world import exports
from wit_world.exports.router import Destination_Pass, Destination_Pool
from wit_world.imports import request
from wit_world.imports.types import Plan

# What lasts from call to call: of each call, the class below has an object of its own.
names = []  # of the pools, by position


class Router(exports.Router):
    def configure(self, settings, instance, pools):
        names[:] = pools
        return Plan(keys=[], observe=False, tick_ms=0, options=[])

    def route(self, moment):
        wanted = request.header("x-pool")
        return Destination_Pool(names.index(wanted)) if wanted in names else Destination_Pass()
