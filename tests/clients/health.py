"""The health service of gRPC's own library, for a test that checks it.

Prints the port that it listens on. Each line that it reads sets the status of a service: `NAME STATUS`, or `STATUS` for
the whole server. Ends with its standard input.
"""

import sys
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
servicer = health.HealthServicer()
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
for line in sys.stdin:
    *service, status = line.split()
    servicer.set("".join(service), health_pb2.HealthCheckResponse.ServingStatus.Value(status))
server.stop(None)
