"""Runs in Python, without Wasm, with the bindings of the last build: `python3 -m unittest`."""

import pathlib
import sys
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parent / "bindings"))

import plugin
from wit_world.imports.types import Backend, Moment, Readiness, Verdict_Backend, Verdict_Pass


def moment(attempt=0):
    return Moment(key=None, random=0, now_us=0, attempt=attempt)


def find(cookie=None, tried=()):
    """What is found for a request with this cookie, after these positions were tried."""
    facts = {"cookie": lambda name: cookie, "tried": lambda index: index in tried}
    with mock.patch.multiple(plugin.request, **facts):
        return plugin.Affinity().find(moment(len(tried)))


class PluginTest(unittest.TestCase):
    def setUp(self):
        backends = [Backend(id, id + ":80", 1, Readiness.READY, []) for id in ("b1", "b2", "b3")]
        plugin.Affinity().update(backends)

    def test_a_client_comes_back_while_its_backend_is_there(self):
        self.assertEqual(find(), Verdict_Pass())
        self.assertEqual(find("b9"), Verdict_Pass())
        self.assertEqual(find("b2"), Verdict_Backend(1))
        self.assertEqual(find("b2", tried=[1]), Verdict_Pass())
        plugin.Affinity().adjust([1, 1, 1], [Readiness.DOWN, Readiness.DRAINING, Readiness.READY])
        self.assertEqual(find("b2"), Verdict_Backend(1))
        self.assertEqual(find("b1"), Verdict_Pass())

    def test_a_response_binds_unless_its_request_was_bound(self):
        header = ("set-cookie", "backend=b2; Path=/; HttpOnly; SameSite=Lax")
        for found, headers in [(None, [header]), (0, [header]), (1, [])]:
            self.assertEqual(plugin.Affinity().bind(moment(), 1, found), headers)


if __name__ == "__main__":
    unittest.main()
