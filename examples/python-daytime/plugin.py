"""Capacity by the time of day: a backend with the label `hours = "8-18"` has its weight from 8:00 to 18:00, and
`outside` percent of it at other times; one without the label has it always. Within that, picks are random by weight."""

import bisect
import itertools
import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import request
from wit_world.imports.types import Plan, Readiness, Verdict_Backend, Verdict_Pass

MINUTE_US = 60_000_000
DAY = 24 * 60  # minutes
DEFAULTS = {"outside": 0, "utc_offset": 0}

# What lasts from call to call: of each call, the class below has an object of its own.
settings = dict(DEFAULTS)
hours = []  # of each backend, the minutes of the day that it begins and ends at, or None
weights = []  # of each backend, 0 for one that may not be picked
sums = []  # of the weights at this minute, from the first backend on
minute = None  # of the day, that `sums` is of


class Balancer(exports.Balancer):
    def configure(self, text, instance):
        given = json.loads(text)
        if unknown := given.keys() - DEFAULTS:
            raise Err(f"there is no setting `{min(unknown)}`")
        settings.update(DEFAULTS, **given)
        if not is_number(settings["outside"], 0, 100):
            raise Err("`outside` has to be a number from 0 to 100: percent of the weight")
        if not is_number(settings["utc_offset"], -DAY, DAY):
            raise Err("`utc_offset` has to be a number of minutes, such as 60 or -300")
        return Plan(keys=[], observe=False, tick_ms=0, options=[])

    def update(self, backends):
        hours[:] = [span(dict(backend.labels).get("hours", "")) for backend in backends]
        self.adjust([backend.weight for backend in backends], [backend.readiness for backend in backends])

    def adjust(self, table, readiness):
        global minute
        weights[:] = [weight if ready is Readiness.READY else 0 for weight, ready in zip(table, readiness)]
        minute = None

    def pick(self, moment):
        weigh((moment.now_us // MINUTE_US + int(settings["utc_offset"])) % DAY)
        total = sums[-1] if sums else 0
        if total == 0:
            return Verdict_Pass()
        first = bisect.bisect_right(sums, moment.random / 2**64 * total) % len(sums)
        for index in itertools.chain(range(first, len(sums)), range(first)):
            if may_be_picked(index) and (moment.attempt == 0 or not request.tried(index)):
                return Verdict_Backend(index)
        return Verdict_Pass()


def weigh(now):
    """Once a minute: the sums of what the backends weigh at this one. Where it is nobody's hour, weights hold."""
    global minute
    if now != minute:
        minute = now
        parts = [100 if span is None or within(now, *span) else settings["outside"] for span in hours]
        sums[:] = itertools.accumulate(weight * part for weight, part in zip(weights, parts))
        if sums and sums[-1] == 0:
            sums[:] = itertools.accumulate(weights)


def may_be_picked(index):
    return sums[index] > (sums[index - 1] if index > 0 else 0)


def within(now, begin, end):
    """Also over midnight: from 22 to 6, say."""
    return begin <= now < end if begin <= end else now >= begin or now < end


def span(label):
    """`8-18` or `8:30-18:15` as minutes. What cannot be read is no restriction: a label is no reason to fail."""
    try:
        begin, end = (clock(time) for time in label.split("-"))
        return begin, end
    except ValueError:
        return None


def clock(time):
    hour, _, minutes = time.strip().partition(":")
    at = int(hour) * 60 + int(minutes or 0)
    if not 0 <= at <= DAY:
        raise ValueError(time)
    return at


def is_number(value, least, most):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
