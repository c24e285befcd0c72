"""An extension of Jupyter's server, on the classes that its own WebSockets are made of."""

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado.websocket import WebSocketHandler


class Echo(WebSocketMixin, WebSocketHandler, JupyterHandler):
    def on_message(self, message):
        self.write_message(message)


def _jupyter_server_extension_points():
    return [{"module": __name__}]


def _load_jupyter_server_extension(server):
    server.web_app.add_handlers(".*$", [("/echo", Echo)])
