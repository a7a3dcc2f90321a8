"""The service of talk.py by gRPC's own library: `talk_server.py http2 [CERTIFICATE KEY]`.

Prints the port that it listens on, and ends with its standard input.
"""

import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc
from google.protobuf.wrappers_pb2 import Int64Value, StringValue

from talk import METHODS, NAME, kind

# Calls that the client has cancelled, or that ran out of time.
cancelled = threading.Semaphore(0)


def say(request, context):
    """Answers; or fails as it is told to, or waits until it is too late, or for a cancelled call."""
    match request.value.split(":"):
        case ["fail", code, message]:
            context.set_trailing_metadata([("reason", "told to"), ("digest-bin", b"\0\1\xff")])
            context.abort(grpc.StatusCode[code], message)
        case ["wait"]:
            over = threading.Event()
            context.add_callback(over.set)
            over.wait(30)
            cancelled.release()
            return StringValue()
        case ["cancelled"]:
            return StringValue(value=str(cancelled.acquire(timeout=15)))
        case ["time"]:
            return StringValue(value=str(context.time_remaining()))
        case _:
            seen = dict(context.invocation_metadata())
            context.send_initial_metadata([("greeting", seen.get("greeting", "none"))])
            context.set_trailing_metadata([("farewell", "bye")])
            return StringValue(value=request.value)


def count(request, context):
    """So many numbers, or without end until the client has enough."""
    context.add_callback(lambda: cancelled.release() if not request.value else None)
    number = 0
    while context.is_active() and (not request.value or number < request.value):
        number += 1
        yield Int64Value(value=number)


def sum_up(requests, _):
    return Int64Value(value=sum(request.value for request in requests))


def chat(requests, _):
    for request in requests:
        yield StringValue(value=f"you said {request.value}")


_, *files = sys.argv[1:]
limits = [("grpc.max_receive_message_length", 16 << 20)]
server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=limits)
handlers = {}
for (name, requests, responses, incoming, outgoing), method in zip(METHODS, [say, count, sum_up, chat]):
    make = getattr(grpc, f"{kind(requests, responses)}_rpc_method_handler")
    handlers[name] = make(method, incoming.FromString, outgoing.SerializeToString)
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(NAME, handlers)])
if files:
    certificate, key = (Path(file).read_bytes() for file in files)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
else:
    port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
sys.stdin.read()
server.stop(None)
