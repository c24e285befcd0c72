"""The libraries whose own suites are run on wsfast, and how each is run: one table."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Suite:
    """A library's own tests.

    Attributes:
        name: the distribution, as PyPI has it.
        version: of the library and of its tests.
        requires: what else is installed, as pip takes it.
        files: the folders of the source distribution that are laid out for the tests.
        tests: what pytest is to run, and other arguments of it.
        patched: the distributions that must run on wsfast in it; the library itself, if none.
        variants: the environments in which all is run, each a name and what it sets.
        archive: where the tests come from, if they are not in the source distribution.
        plugins: plugins of pytest in tests/integrations.
        ours: what is in the ids of the tests that such a plugin runs on a class of wsfast: they
            have to pass.
        seconds: when a run is a hang.
    """

    name: str
    version: str
    requires: tuple[str, ...] = ()
    files: tuple[str, ...] = ("tests",)
    tests: tuple[str, ...] = ("tests",)
    patched: tuple[str, ...] = ()
    variants: dict[str, dict[str, str]] = field(default_factory=lambda: {"": {}})
    archive: str | None = None
    plugins: tuple[str, ...] = ()
    ours: str | None = None
    seconds: int = 900


# No source of gevent-websocket has tests.
SUITES = [
    Suite(
        "websockets",
        "17.0.1",
        requires=("werkzeug", "python-socks[asyncio]", "trio"),
        variants={"": {"WEBSOCKETS_TESTS_TIMEOUT_FACTOR": "10"}},
        archive="https://github.com/python-websockets/websockets/archive/refs/tags/17.0.1.tar.gz",
    ),
    Suite("wsproto", "1.3.2"),
    Suite(
        "websocket-client",
        "1.9.2",
        requires=("python-socks",),
        files=("websocket/tests",),
    ),
    Suite(
        "tornado",
        "6.6.1",
        files=(),
        tests=(
            "--pyargs",
            "--log-disable=tornado.access",  # as its own runner does
            "tornado.test.iostream_test",
            "tornado.test.websocket_test",
            "tornado.test.web_test",
            "tornado.test.util_test",
        ),
        variants={"": {}, "without extension": {"TORNADO_EXTENSION": "0"}},
    ),
    Suite(
        "autobahn",
        "26.10.2",
        requires=("autobahn[twisted]", "pyopenssl", "service_identity", "pytest-asyncio"),
        files=(),
        tests=("--pyargs", "autobahn", "--ignore-glob=*/wamp/*", "--ignore-glob=*import_all*"),
        variants={
            f"{framework}{name}": {
                f"USE_{framework.upper()}": "1",
                "PYTEST_ADDOPTS": f"--ignore-glob=*/{other}/*",
                **settings,
            }
            for framework, other in (("asyncio", "twisted"), ("twisted", "asyncio"))
            for name, settings in (("", {}), (" without NVX", {"AUTOBAHN_USE_NVX": "0"}))
        },
    ),
    Suite("ws4py", "0.6.0", requires=("cherrypy",), files=("test",), tests=("test",)),
    Suite("simple-websocket", "1.1.0", patched=("wsproto",)),
    Suite(
        "hypercorn",
        "0.18.0",
        requires=("h2<4.4", "httpx", "pytest-asyncio", "pytest-trio", "trio"),
        tests=("tests", "-o", "asyncio_mode=strict"),
        patched=("wsproto",),
    ),
    Suite(
        "httpx-ws",
        "0.9.0",
        requires=("starlette", "uvicorn[standard]", "trio"),
        patched=("wsproto",),
    ),
    Suite(
        "uvicorn",
        "0.54.0",
        requires=(
            *("uvicorn[standard]", "wsproto==1.3.2", "zttp", "httpx2", "trustme", "a2wsgi"),
            *("cryptography", "pytest-mock", "pytest-codspeed"),
        ),
        tests=(
            *("-W", "error"),
            "tests/protocols/test_websocket.py",
            "tests/test_config.py",
            "tests/test_auto_detection.py",
        ),
        patched=("uvicorn", "websockets", "wsproto"),
        plugins=("uvicorn_suite",),
        ours="wsfast",
    ),
    Suite(
        "daphne",
        "4.2.3",
        requires=("django", "hypothesis", "pytest-asyncio"),
        tests=("tests", "-o", "asyncio_mode=strict"),
        patched=("daphne", "autobahn"),
    ),
    Suite(
        "aiohttp",
        "3.14.5",
        requires=(
            *("blockbuster", "freezegun", "isal", "proxy.py>=2.4.4rc5", "pytest-mock"),
            *("pytest-timeout", "pytest_codspeed", "trustme", "uvloop", "zlib_ng", "gunicorn"),
        ),
        tests=(
            "tests/test_client_ws.py",
            "tests/test_client_ws_functional.py",
            "tests/test_web_websocket.py",
            "tests/test_web_websocket_functional.py",
            "tests/test_websocket_data_queue.py",
            "tests/test_websocket_handshake.py",
            "tests/test_websocket_parser.py",
            "tests/test_websocket_writer.py",
        ),
        variants={"": {}, "without extensions": {"AIOHTTP_NO_EXTENSIONS": "1"}},
    ),
    Suite(
        "eventlet",
        "0.41.3",
        tests=("tests/websocket_test.py", "tests/websocket_new_test.py", "tests/wsgi_test.py"),
    ),
]
