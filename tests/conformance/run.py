"""Runs the Autobahn test suite on wsfast in one role, and compares it with expected.json.

``python run.py RUNNER ROLE`` takes the path of ``kosoku`` or of ``wstest``, and what wsfast is to
be, ``server`` or ``client``; ``WSFAST_EXTENSION`` chooses the backend. Every case that differs is
printed with the runner's reason, and then the exit status is 1.

Knows the runners' command lines and their reports. Installs nothing, and judges nothing itself.
"""

import argparse
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

import wsfast

HERE = Path(__file__).parent
EXPECTED = HERE / "expected.json"
STARTED_WITHIN = 60  # seconds, for a runner to listen
ENDED_WITHIN = 60  # seconds, for a runner to write its reports


class ConformanceError(Exception):
    """The suite did not run to its end."""


def expected_verdicts(patterns):
    """What expected.json says of the cases that the patterns choose.

    The runners have patterns too, but to kosoku ``12.*.1`` is ``12.1.10`` as well.
    """
    every = json.loads(EXPECTED.read_text())
    return {
        case: verdict
        for case, verdict in every.items()
        if any(fnmatchcase(case, pattern) for pattern in patterns)
    }


def read_reports(reports):
    """The verdict of each case that was run, and the runner's reasons for it."""
    index = reports / "index.json"
    if not index.exists():
        log = (reports / "runner.log").read_text(errors="replace")
        raise ConformanceError(f"the runner wrote no report; it said:\n{log[-2000:]}")
    verdicts, reasons = {}, {}
    # By what the peer calls itself: a case that broke may have another name for it.
    for cases in json.loads(index.read_text()).values():
        for case, entry in cases.items():
            verdicts[case] = [entry["behavior"], entry["behaviorClose"]]
            detail = json.loads((reports / entry["reportfile"]).read_text())
            reasons[case] = f"{detail['result']} {detail['resultClose']}"
    return verdicts, reasons


def differences(expected, verdicts, reasons):
    """A line for each case whose verdict is another than expected."""
    lines = []
    for case in sorted({*expected, *verdicts}, key=lambda case: [*map(int, case.split("."))]):
        wanted, got = expected.get(case), verdicts.get(case)
        if wanted != got:
            was = "/".join(got) if got else "not run"
            lines.append(
                f"{case}: {was}, expected {'/'.join(wanted) if wanted else 'not to run'}. "
                f"{reasons.get(case, '')}"
            )
    return lines


def runner_command(runner, mode, port, cases, reports):
    """The command line that runs the cases, with the port of whoever is the server."""
    if runner.name == "kosoku":
        included = [f"--include={case}" for case in cases]
        options = ["--parallelism=2", f"--outdir={reports}", *included]
        return [runner, f"--mode={mode}", *options, f"127.0.0.1:{port}"]
    url = f"ws://127.0.0.1:{port}"
    spec = reports / "spec.json"
    spec.write_text(
        json.dumps(
            {
                "url": url,
                "servers": [{"url": url, "agent": "wsfast"}],
                "outdir": str(reports),
                "cases": cases,
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
        )
    )
    return [runner, f"--mode={mode}", f"--spec={spec}", "--webport=0"]


@contextlib.contextmanager
def started(command, **options):
    """A process that is ended with the block."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.terminate()


def run_on_server(runner, cases, reports, log):
    """Lets the runner try wsfast's server."""
    command = [sys.executable, HERE / "echo_server.py"]
    with started(command, stdout=subprocess.PIPE, text=True) as server:
        port = server.stdout.readline().strip()
        if not port:
            raise ConformanceError("the echo server did not start")
        command = runner_command(runner, "fuzzingclient", port, cases, reports)
        subprocess.run(command, stdout=log, stderr=log, check=False)
        if server.poll() is not None:
            raise ConformanceError(f"the echo server ended with status {server.returncode}")


def run_on_client(runner, cases, reports, log):
    """Lets wsfast's client go through the cases that the runner serves."""
    port = free_port()
    command = runner_command(runner, "fuzzingserver", port, cases, reports)
    with started(command, stdout=log, stderr=log) as server:
        wait_until_listening(port, server)
        client = [sys.executable, HERE / "echo_client.py", f"ws://127.0.0.1:{port}"]
        subprocess.run(client, check=True)
        server.wait(ENDED_WITHIN)


def free_port():
    """A port that was free a moment ago: wstest must be told one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_until_listening(port, server):
    """Returns when the server accepts connections at the port."""
    deadline = time.monotonic() + STARTED_WITHIN
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if server.poll() is not None:
                raise ConformanceError(
                    f"the runner ended with status {server.returncode}"
                ) from None
            if time.monotonic() > deadline:
                raise ConformanceError("the runner does not listen") from None
            time.sleep(0.05)


def run(runner, role, reports, patterns=("*",)):
    """Runs the cases that the patterns choose.

    Args:
        runner: path of ``kosoku`` or of ``wstest``.
        role: what wsfast is to be, "server" or "client".
        reports: the folder for the runner's reports.
        patterns: cases, with ``*`` as a wildcard.

    Returns:
        The verdict of each case, and a line for each case that is not as expected.

    Raises:
        ConformanceError: the suite did not run to its end.
    """
    reports.mkdir(parents=True, exist_ok=True)
    (reports / "index.json").unlink(missing_ok=True)
    run_on = run_on_server if role == "server" else run_on_client
    expected = expected_verdicts(patterns)
    with open(reports / "runner.log", "w") as log:
        run_on(runner, [*expected], reports, log)
    verdicts, reasons = read_reports(reports)
    return verdicts, differences(expected, verdicts, reasons)


def main():
    parser = argparse.ArgumentParser(description="The Autobahn test suite on wsfast.")
    parser.add_argument("runner", type=Path, help="path of kosoku or of wstest")
    parser.add_argument("role", choices=["server", "client"], help="what wsfast is to be")
    parser.add_argument("cases", nargs="*", default=["*"], help="such as 1.1.1 or '9.*'")
    parser.add_argument("--reports", type=Path, default=Path("build/conformance"))
    options = parser.parse_args()

    title = f"{options.runner.name}, wsfast as {options.role}, backend {wsfast.backend}"
    started_at = time.monotonic()
    verdicts, lines = run(options.runner, options.role, options.reports.resolve(), options.cases)
    print(*lines, sep="\n", end="\n" if lines else "")
    counts = Counter("/".join(verdict) for verdict in verdicts.values())
    print(
        f"{title}: {len(verdicts)} cases in {time.monotonic() - started_at:.0f} s, "
        f"{len(lines)} not as expected;",
        ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()),
    )
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
