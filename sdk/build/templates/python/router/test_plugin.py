"""Runs in Python, without Wasm, with the bindings of the last build: `python3 -m unittest`."""

import pathlib
import sys
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parent / "bindings"))

import plugin
from wit_world.exports.router import Destination_Pass, Destination_Pool
from wit_world.imports.types import Instance, Moment


def route(header):
    """Where a request with this header goes."""
    with mock.patch.object(plugin.request, "header", lambda name: header):
        return plugin.Router().route(Moment(key=None, random=0, now_us=0, attempt=0))


class PluginTest(unittest.TestCase):
    def test_the_header_names_the_pool(self):
        plugin.Router().configure("{}", Instance(pool="all", worker=0, workers=1, generation=1), ["web", "next"])
        self.assertEqual(route("web"), Destination_Pool(0))
        self.assertEqual(route("next"), Destination_Pool(1))
        for header in [None, "", "other"]:
            self.assertEqual(route(header), Destination_Pass(), header)


if __name__ == "__main__":
    unittest.main()
