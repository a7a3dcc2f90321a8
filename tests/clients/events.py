"""A client of server-sent events by the libraries httpx and httpx-sse: `events.py ORIGIN http1|http2`.

The server sends an event when the one before was confirmed: nothing would go on if one was held back anywhere.
"""

import os
import ssl
import sys

import httpx
import httpx_sse

origin, protocol = sys.argv[1:]
client = f"?client={os.getpid()}"
http2 = protocol == "http2"
context = ssl.create_default_context()
options = {"http1": not http2, "http2": http2, "base_url": origin, "verify": context, "timeout": 15}
# On one connection this library sends no second request unless it is told how many streams it may open.
with httpx.Client(**options) as http, httpx.Client(**options) as other:
    for headers, expected in [({}, ["1", "2", "3"]), ({"last-event-id": "3"}, ["5"])]:
        with httpx_sse.connect_sse(http, "GET", f"/events{client}", headers=headers) as source:
            assert source.response.http_version == ("HTTP/2" if http2 else "HTTP/1.1"), source.response.http_version
            seen = []
            for event in source.iter_sse():
                if not event.data:
                    continue
                seen.append(event.id)
                assert event.data == f"event {event.id}", event
                if seen == ["5"]:
                    break
                assert other.get(f"/seen{client}").status_code == 200
            assert seen == expected, seen
print("four events over", "HTTP/2" if http2 else "HTTP/1.1")
