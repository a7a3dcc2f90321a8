"""A service with calls of each kind. Its messages are protobuf's own wrappers, so that no code has to be generated."""

from google.protobuf.wrappers_pb2 import Int64Value, StringValue

NAME = "trimtab.Talk"

# Name, whether requests are streamed, whether responses are, types of both.
METHODS = [
    ("Say", False, False, StringValue, StringValue),
    ("Count", False, True, Int64Value, Int64Value),
    ("Sum", True, False, Int64Value, Int64Value),
    ("Chat", True, True, StringValue, StringValue),
]


def kind(requests, responses):
    """grpc's name for a kind of call: `stream_unary` and so on."""
    return "_".join("stream" if streamed else "unary" for streamed in (requests, responses))
