"""The service of a pod: `python service.py PORT NAME BROKEN`. Says NAME, and 503 while the file BROKEN is."""

import http.server
import socket
import sys
from pathlib import Path

port, name, broken = int(sys.argv[1]), sys.argv[2].encode(), Path(sys.argv[3])


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if broken.exists() else 200)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        self.wfile.write(name)


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6  # and IPv4 with it
    daemon_threads = True


with Server(("::", port), Page) as server:
    print("ready", flush=True)
    server.serve_forever()
