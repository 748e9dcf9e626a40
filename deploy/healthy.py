"""Exits with 0 if the web process of this container answers at /livez, for a HEALTHCHECK."""

import http.client
import os
import sys

port = int(os.environ.get("BIND", "127.0.0.1:8000").rpartition(":")[2])
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
try:
    connection.request("GET", "/livez")
    status = connection.getresponse().status
except OSError as error:
    sys.exit(f"Nothing answers on port {port}: {error}")
if status != 200:
    sys.exit(f"/livez must answer 200, but answered {status}.")
