"""Flask-Sock, on the server that Flask brings, with a thread a connection: its port is its only
argument."""

import sys

from flask import Flask
from flask_sock import Sock

app = Flask(__name__)
sock = Sock(app)


@sock.route("/")
def echo(ws):
    while True:
        ws.send(ws.receive())


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]))
