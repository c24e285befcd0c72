"""Frameworks: the programs of ``apps/``, started by the command line that users type.

All settings are the servers' own, except that there is one process and that little is logged.
"""

from __future__ import annotations

from echo.rig import BUILD
from texts import text_of

from .cases import Case, mixed
from .libraries import NAGLE, echoes


def uvicorn(app: str, **options) -> Case:
    """An application on uvicorn, which takes uvloop where it is installed; on wsfast it has the
    class of wsfast."""
    program = ("-m", "uvicorn", _app(app), "--port", "{port}", "--log-level", "warning")
    title = options.pop("title")
    return Case(f"{title}, uvicorn", program, echoes(None, None), **options)


def hypercorn(app: str, title: str) -> Case:
    """An application on hypercorn, whose worker is the process itself."""
    program = ("-m", "hypercorn", _app(app), "--bind", "127.0.0.1:{port}", "--workers", "0")
    return Case(f"{title}, hypercorn", program, echoes(None, None))


def daphne(app: str, title: str) -> Case:
    """An application on daphne."""
    program = ("-m", "daphne", "--port", "{port}", "--verbosity", "0", _app(app))
    return Case(f"{title}, daphne", program, echoes(None, None))


def _app(app: str) -> str:
    return f"dropins.apps.{app}_app:app"


def engineio_message(i: int, size: int) -> bytes:
    """A message of Engine.IO."""
    return b"4" + mixed(i, size - 1)


def socketio_event(i: int, size: int) -> bytes:
    """An event of Socket.IO: JSON, in which text outside ASCII would come back escaped."""
    start, end = f'42["echo","{i:06} ', '"]'
    return (start + text_of("ascii", size - len(start) - len(end)) + end).encode()


FRAMEWORKS = {
    "starlette": uvicorn("starlette", title="Starlette"),
    "fastapi": uvicorn("fastapi", title="FastAPI"),
    "litestar": uvicorn("litestar", title="Litestar"),
    "quart-uvicorn": uvicorn("quart", title="Quart"),
    "quart-hypercorn": hypercorn("quart", title="Quart"),
    "channels-uvicorn": uvicorn("channels", title="Django's Channels"),
    "channels-daphne": daphne("channels", title="Django's Channels"),
    "engineio": uvicorn(
        "engineio",
        title="python-engineio",
        opening=("--path", "/engine.io/?EIO=4&transport=websocket", "--greetings", "1"),
        payload=engineio_message,
    ),
    "socketio": uvicorn(
        "socketio",
        title="python-socketio",
        opening=(
            *("--path", "/socket.io/?EIO=4&transport=websocket"),
            *("--hello", "40", "--greetings", "2"),
        ),
        payload=socketio_event,
    ),
    "sanic": Case(
        "Sanic",
        (
            *("-m", "sanic", "dropins.apps.sanic_app:app", "--port", "{port}"),
            *("--single-process", "--no-access-logs", "--no-motd"),
        ),
        echoes(None, None),
    ),
    "flask-sock": Case(
        "Flask-Sock, Flask's server",
        ("-m", "dropins.apps.flask_app", "{port}"),
        echoes(None, None) | NAGLE,
    ),
    "jupyter": Case(
        "Jupyter's server, an extension",
        (
            *("-m", "jupyter_server", "--ServerApp.port={port}", "--ServerApp.port_retries=0"),
            *("--ServerApp.jpserver_extensions={'dropins.apps.jupyter_app': True}",),
            *("--ServerApp.log_level=ERROR", "--IdentityProvider.token="),
            *("--no-browser", "--allow-root"),
        ),
        echoes(None, None) | NAGLE,
        environment={"JUPYTER_RUNTIME_DIR": str(BUILD / "jupyter")},
        opening=("--path", "/echo"),
    ),
}
