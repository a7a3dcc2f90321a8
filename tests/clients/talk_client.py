"""A client of talk_server.py by gRPC's own library: `talk_client.py ORIGIN http2`."""

import os
import queue
import sys
from pathlib import Path
from urllib.parse import urlsplit

import grpc
from google.protobuf.wrappers_pb2 import Int64Value, StringValue

from talk import METHODS, NAME, kind

origin = urlsplit(sys.argv[1])
options = [("grpc.max_receive_message_length", 16 << 20)]
if origin.scheme == "https":
    authority = Path(os.environ["SSL_CERT_FILE"]).read_bytes()
    channel = grpc.secure_channel(origin.netloc, grpc.ssl_channel_credentials(authority), options)
else:
    channel = grpc.insecure_channel(origin.netloc, options)
say, count, sum_up, chat = (
    getattr(channel, kind(requests, responses))(f"/{NAME}/{name}", outgoing.SerializeToString, incoming.FromString)
    for name, requests, responses, outgoing, incoming in METHODS
)
TIME = 20


def numbers(how_many):
    return (Int64Value(value=number) for number in range(1, how_many + 1))


def fails(call):
    """How a call fails."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call should have failed")


def unary():
    answer, call = say.with_call(StringValue(value="hello"), metadata=[("greeting", "good day")], timeout=TIME)
    assert answer.value == "hello"
    assert dict(call.initial_metadata())["greeting"] == "good day"
    assert dict(call.trailing_metadata())["farewell"] == "bye"
    large = "x" * (3 << 20)
    assert say(StringValue(value=large), timeout=TIME).value == large


def streams():
    assert [number.value for number in count(Int64Value(value=1000), timeout=TIME)] == list(range(1, 1001))
    assert sum_up(numbers(1000), timeout=TIME).value == 500_500
    # One message is sent when the one before was answered.
    messages = queue.Queue()
    answers = chat(iter(messages.get, None), timeout=TIME)
    for word in ["one", "two", "three"]:
        messages.put(StringValue(value=word))
        assert next(answers).value == f"you said {word}"
    messages.put(None)
    assert list(answers) == []
    assert answers.code() == grpc.StatusCode.OK


def status_codes():
    for code in [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS]:
        error = fails(lambda: say(StringValue(value=f"fail:{code.name}:näh"), timeout=TIME))
        assert (error.code(), error.details()) == (code, "näh"), error
        trailers = dict(error.trailing_metadata())
        assert (trailers["reason"], trailers["digest-bin"]) == ("told to", b"\0\1\xff"), trailers
    missing = channel.unary_unary(f"/{NAME}/Nothing", bytes, bytes)
    assert fails(lambda: missing(b"", timeout=TIME)).code() == grpc.StatusCode.UNIMPLEMENTED


def deadlines():
    left = float(say(StringValue(value="time"), timeout=TIME).value)
    # The library rounds up what it says, to a tenth of a second.
    assert 0 < left <= TIME + 0.1, left
    error = fails(lambda: say(StringValue(value="wait"), timeout=0.3))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert say(StringValue(value="cancelled"), timeout=TIME).value == "True", "the server's call has ended too"


def cancellation():
    endless = count(Int64Value())
    assert [next(endless).value for _ in range(100)] == list(range(1, 101))
    endless.cancel()
    assert say(StringValue(value="cancelled"), timeout=TIME).value == "True", "the server has heard of it"
    waiting = say.future(StringValue(value="wait"))
    # An answer to another call: the first has arrived.
    say(StringValue(value="hello"), timeout=TIME)
    waiting.cancel()
    assert say(StringValue(value="cancelled"), timeout=TIME).value == "True", "and of this"


for check in [unary, streams, status_codes, deadlines, cancellation]:
    check()
    print(check.__name__)
