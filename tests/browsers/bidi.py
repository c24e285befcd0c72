"""Drives a browser by WebDriver BiDi, a protocol of JSON over WebSocket that browsers speak.

Firefox speaks it itself, Chromium through its chromedriver. The WebSocket here is that of the
websockets library: what is tested must not be its own judge.
"""

import itertools
import json
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from threading import Thread

from websockets.sync.client import connect

# The browsers to test with; each must be installed.
WANTED = os.environ.get("WSFAST_BROWSERS", "").split()

PATIENCE = 60  # seconds for one answer

# Nothing is fetched in the background, and nothing keeps the browser from starting in a container.
CHROMIUM_ARGUMENTS = [
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FIREFOX_PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    # It waits longer and longer before it connects again to where it was refused.
    "network.websocket.delay-failed-reconnects": False,
    "services.settings.server": "http://127.0.0.1:1",
    "toolkit.telemetry.server": "http://127.0.0.1:1",
}


class ScriptError(Exception):
    """A script in the page has thrown."""


class Browser:
    """One tab of a browser."""

    def __init__(self, connection, capabilities):
        self._connection = connection
        self._ids = itertools.count(1)
        always = {"acceptInsecureCerts": True, **capabilities}
        session = self._command("session.new", capabilities={"alwaysMatch": always})
        self.version = session["capabilities"]["browserVersion"]
        self._tab = self._command("browsingContext.getTree")["contexts"][0]["context"]

    def _command(self, method, **params):
        command = next(self._ids)
        self._connection.send(json.dumps({"id": command, "method": method, "params": params}))
        while True:
            answer = json.loads(self._connection.recv(timeout=PATIENCE))
            if answer.get("id") == command:
                assert answer["type"] == "success", answer
                return answer["result"]

    def open(self, url):
        """Load a page, and wait until it is there."""
        self._command("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def run(self, function, *arguments):
        """Call a JavaScript function, plain or async, in the page; what it returns goes as JSON.

        Raises:
            ScriptError: it has thrown.
        """
        call = f"({function})(...{json.dumps(arguments)})"
        outcome = self._command(
            "script.callFunction",
            functionDeclaration=f"async () => JSON.stringify((await {call}) ?? null)",
            awaitPromise=True,
            target={"context": self._tab},
        )
        if outcome["type"] == "exception":
            raise ScriptError(outcome["exceptionDetails"]["text"])
        return json.loads(outcome["result"]["value"])

    def close(self):
        self._command("browser.close")


def missing(name):
    """The programs that a browser needs and that are not installed."""
    programs = {"chromium": ["chromium", "chromedriver"], "firefox": [_firefox()]}[name]
    return [program for program in programs if shutil.which(program) is None]


def _firefox():
    return "firefox-esr" if shutil.which("firefox-esr") else "firefox"


@contextmanager
def chromium(folder):
    """Start Chromium with an empty profile in the folder."""
    arguments = [*CHROMIUM_ARGUMENTS, f"--user-data-dir={folder}"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # which root cannot have
    options = {"binary": shutil.which("chromium"), "args": arguments}
    with (
        _started(["chromedriver", "--port=0"], r"started successfully on port (\d+)") as port,
        _browser(f"ws://127.0.0.1:{port}/session", {"goog:chromeOptions": options}) as browser,
    ):
        yield browser


@contextmanager
def firefox(folder):
    """Start Firefox with an empty profile in the folder."""
    preferences = (
        f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
        for name, value in FIREFOX_PREFERENCES.items()
    )
    (folder / "user.js").write_text("".join(preferences))
    command = [_firefox(), "--headless", "--no-remote", "--profile", folder]
    with (
        _started([*command, "--remote-debugging-port", "0"], r"BiDi listening on (ws:\S+)") as uri,
        _browser(f"{uri}/session", {}) as browser,
    ):
        yield browser


@contextmanager
def _browser(uri, capabilities):
    with connect(uri, proxy=None, max_size=None, compression=None) as connection:
        browser = Browser(connection, capabilities)
        yield browser
        browser.close()


@contextmanager
def _started(command, line):
    """Start a program, wait for a line of its output, and give what the pattern captures."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    try:
        said = []
        for output in process.stdout:
            said.append(output)
            if match := re.search(line, output):
                break
        else:
            raise RuntimeError(f"{command[0]} did not start: {''.join(said)}")
        # A pipe that nobody reads would stop the program.
        rest = Thread(target=process.stdout.read, daemon=True)
        rest.start()
        yield match[1]
    finally:
        process.terminate()
        process.wait()
        rest.join()
        process.stdout.close()
