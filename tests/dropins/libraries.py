"""The libraries whose own suites are run on wsfast, and how each is run: one table."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Suite:
    """A library's own tests.

    Attributes:
        name: the distribution, as PyPI has it.
        version: of the library and of its tests.
        patched: the distribution whose seams must be in place; None where the suite names a class
            of wsfast itself.
        requires: what else is installed, as pip takes it.
        files: what of the source distribution is laid into the folder where the tests run.
        tests: what pytest is to run, and other arguments of it.
        variants: the environments in which all is run, each a name and what it sets.
        archive: where the tests come from, if they are not in the source distribution.
        seconds: when a run is a hang.
    """

    name: str
    version: str
    patched: str
    requires: tuple[str, ...] = ()
    files: tuple[str, ...] = ("tests",)
    tests: tuple[str, ...] = ("tests",)
    variants: dict[str, dict[str, str]] = field(default_factory=lambda: {"": {}})
    archive: str | None = None
    seconds: int = 600


# No source of gevent-websocket has tests.
SUITES = [
    Suite(
        "websockets",
        "17.4",
        "websockets",
        requires=("werkzeug", "python-socks[asyncio]", "trio"),
        archive="https://github.com/python-websockets/websockets/archive/refs/tags/17.4.tar.gz",
    ),
    Suite("wsproto", "1.3.2", "wsproto"),
    Suite(
        "websocket-client",
        "1.9.2",
        "websocket-client",
        requires=("python-socks",),
        files=("websocket/tests",),
    ),
    Suite(
        "tornado",
        "6.6.1",
        "tornado",
        files=(),
        tests=(
            "--pyargs",
            "-p no:logging",  # its tests look at the loggers themselves
            "tornado.test.websocket_test",
            "tornado.test.web_test",
            "tornado.test.util_test",
        ),
        variants={"": {}, "without extension": {"TORNADO_EXTENSION": "0"}},
    ),
    Suite(
        "autobahn",
        "26.10.2",
        "autobahn",
        requires=("autobahn[twisted]", "pytest-asyncio"),
        files=(),
        tests=("--pyargs", "autobahn.websocket"),
        variants={
            f"{framework}{name}": {f"USE_{framework.upper()}": "1", **settings}
            for framework in ("asyncio", "twisted")
            for name, settings in (("", {}), (" without NVX", {"AUTOBAHN_USE_NVX": "0"}))
        },
    ),
    Suite("ws4py", "0.6.0", "ws4py", requires=("cherrypy",), files=("test",), tests=("test",)),
    Suite("simple-websocket", "1.1.0", "wsproto"),
    Suite(
        "hypercorn",
        "0.18.0",
        "wsproto",
        requires=("h2<4.4", "httpx", "pytest-asyncio", "pytest-trio", "trio"),
        tests=("tests", "-o", "asyncio_mode=strict"),
    ),
    Suite("httpx-ws", "0.9.0", "wsproto", requires=("starlette", "uvicorn[standard]", "trio")),
    Suite(
        "daphne",
        "4.2.3",
        "autobahn",
        requires=("django", "hypothesis", "pytest-asyncio"),
        tests=("tests", "-o", "asyncio_mode=strict"),
    ),
    Suite(
        "eventlet",
        "0.41.3",
        "eventlet",
        tests=("tests/websocket_test.py", "tests/websocket_new_test.py", "tests/wsgi_test.py"),
    ),
]
