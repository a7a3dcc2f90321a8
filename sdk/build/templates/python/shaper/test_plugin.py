"""Runs in Python, without Wasm, with the bindings of the last build: `python3 -m unittest`."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "bindings"))

import plugin
from wit_world.imports.types import Backend, Readiness


def backend(weight, *keys):
    return Backend("b", "b:80", weight, Readiness.READY, [(key, "yes") for key in keys])


class PluginTest(unittest.TestCase):
    def test_a_canary_has_half_its_weight(self):
        table = [backend(10), backend(10, "area"), backend(10, "area", "canary"), backend(5, "canary"), backend(0, "canary")]
        self.assertEqual(plugin.Shaper().shape(table), [10, 10, 5, 3, 0])
        self.assertEqual(plugin.Shaper().shape([]), [])


if __name__ == "__main__":
    unittest.main()
