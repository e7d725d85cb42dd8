#!/usr/bin/env python3
"""An S3 server on a free port of this machine, in memory. Prints its address, and ends when its standard input does: with the
process that started it, however that ends."""

import logging
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


class OneByOne:
    """S3 checks the condition of a put and stores in one step; moto does it in two, so that others must wait."""

    def __init__(self, app):
        self.app = app
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        with self.lock:
            return list(self.app(environ, start_response))


logging.getLogger("werkzeug").setLevel(logging.ERROR)
app = OneByOne(DomainDispatcherApplication(create_backend_app))
server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"http://127.0.0.1:{server.server_port}", flush=True)
sys.stdin.read()
