"""A WebSocket client by the library websockets: `websocket.py ORIGIN http1`, an origin such as https://127.0.0.1:8443."""

import os
import ssl
import sys

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

origin, _ = sys.argv[1:]
context = ssl.create_default_context() if origin.startswith("https:") else None
with connect(origin.replace("http", "ws", 1) + "/chat", subprotocols=["chat"], ssl=context) as socket:
    assert socket.subprotocol == "chat"
    large = os.urandom(1 << 19)
    for message in ["hello", "", large, "again"]:
        socket.send(message)
        assert socket.recv(timeout=15) == message
    # In three frames.
    socket.send(["a ", "message ", "in parts"])
    assert socket.recv(timeout=15) == "a message in parts"
    assert socket.ping().wait(timeout=15), "a pong"
    socket.send("leave")
    try:
        socket.recv(timeout=15)
        raise AssertionError("the server has left")
    except ConnectionClosed as closed:
        assert (closed.rcvd.code, closed.rcvd.reason) == (4001, "as you wish"), closed
print("messages, a ping and the close went through")
