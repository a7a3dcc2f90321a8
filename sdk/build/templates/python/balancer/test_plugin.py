"""Runs in Python, without Wasm, with the bindings of the last build: `python3 -m unittest`."""

import pathlib
import sys
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parent / "bindings"))

import plugin
from wit_world.imports.types import Backend, Moment, Readiness, Verdict_Backend, Verdict_Pass


def pick(random, header=None, tried=()):
    """What is picked for a request with this header, after these positions were tried."""
    facts = {"header": lambda name: header, "tried": lambda index: index in tried}
    with mock.patch.multiple(plugin.request, **facts):
        return plugin.Balancer().pick(Moment(key=None, random=random, now_us=0, attempt=len(tried)))


class PluginTest(unittest.TestCase):
    def setUp(self):
        backends = [Backend(id, id + ":80", 1, Readiness.READY, []) for id in ("b1", "b2", "b3")]
        plugin.Balancer().update(backends)

    def test_the_header_names_the_backend(self):
        self.assertEqual(pick(0, header="b2"), Verdict_Backend(1))

    def test_what_is_not_ready_is_not_picked_nor_what_was_tried(self):
        plugin.Balancer().adjust([1, 1, 1], [Readiness.READY, Readiness.DOWN, Readiness.READY])
        for random in range(9):
            self.assertEqual(pick(random, header="b2", tried=[0]), Verdict_Backend(2))
        self.assertEqual(pick(0, tried=[0, 2]), Verdict_Pass())


if __name__ == "__main__":
    unittest.main()
