"""Runs in Python, without Wasm, with the bindings of the last build: `python3 -m unittest`."""

import collections
import pathlib
import sys
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parent / "bindings"))

import plugin
from componentize_py_types import Err
from wit_world.imports.types import Backend, Instance, Moment, Readiness, Verdict_Backend, Verdict_Pass

HOUR_US = 3_600_000_000
MANY = 1000


def configure(settings="{}"):
    plugin.Balancer().configure(settings, Instance(pool="web", worker=0, workers=1, generation=1))


def update(*hours):
    """Backends with these hours, and weights of 1, 2, 3 …"""
    labels = [[("hours", label)] if label else [] for label in hours]
    plugin.Balancer().update([Backend(f"b{n}", "", n + 1, Readiness.READY, of) for n, of in enumerate(labels)])


def pick(hour, random=0, tried=()):
    with mock.patch.object(plugin.request, "tried", lambda index: index in tried):
        moment = Moment(key=None, random=random, now_us=int(hour * HOUR_US), attempt=len(tried))
        return plugin.Balancer().pick(moment)


def shares(hour):
    """How many of a thousand requests, with chances that are even, each backend gets at this hour."""
    picks = (pick(hour, random=n * 2**64 // MANY) for n in range(MANY))
    return dict(collections.Counter(verdict.value for verdict in picks))


class DaytimeTest(unittest.TestCase):
    def setUp(self):
        configure()

    def test_hours_are_kept_also_over_midnight(self):
        update("8-18", "18-8")
        for hour, index in [(0, 1), (7.99, 1), (8, 0), (17.99, 0), (18, 1), (24 + 12, 0)]:
            self.assertEqual(shares(hour), {index: MANY}, hour)

    def test_a_part_of_the_weight_is_left_outside(self):
        configure('{ "outside": 50 }')
        update("8-18", "")
        self.assertEqual(shares(12), {0: 334, 1: 666})
        self.assertEqual(shares(20), {0: 200, 1: 800})

    def test_the_offset_moves_the_day(self):
        configure('{ "utc_offset": -300 }')
        update("8:30-18", "18-8:30")
        self.assertEqual(shares(13.4), {1: MANY})
        self.assertEqual(shares(13.5), {0: MANY})

    def test_labels_that_say_nothing_restrict_nothing(self):
        for label in ["", "always", "8", "8-", "8-18-20", "8-25", "-1-5", "a-b"]:
            update(label)
            self.assertEqual(pick(3), Verdict_Backend(0), label)

    def test_where_it_is_nobodys_hour_weights_hold(self):
        update("1-2", "2-3")
        self.assertEqual(set(shares(12)), {0, 1})

    def test_what_is_not_ready_is_not_picked_nor_what_was_tried(self):
        update("", "", "")
        plugin.Balancer().adjust([1, 1, 1], [Readiness.READY, Readiness.DOWN, Readiness.READY])
        self.assertEqual(set(shares(0)), {0, 2})
        self.assertEqual(pick(0, tried=[0]), Verdict_Backend(2))
        self.assertEqual(pick(0, tried=[0, 2]), Verdict_Pass())
        self.assertIn(pick(0, random=2**64 - 1), [Verdict_Backend(0), Verdict_Backend(2)])
        update()
        self.assertEqual(pick(0), Verdict_Pass())

    def test_settings_that_make_no_sense_are_refused(self):
        for settings in ['{ "outside": 101 }', '{ "outside": "5" }', '{ "utc_offset": true }', '{ "offset": 1 }']:
            with self.assertRaises(Err, msg=settings):
                configure(settings)


if __name__ == "__main__":
    unittest.main()
