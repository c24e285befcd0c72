"""The Autobahn test suite, by kosoku, on every library, plain and on wsfast, case by case.

``python conformance.py [NAME]... [--role ROLE] [--cases CASE ...]`` runs the echo programs of this
folder that are named, or all. Prints, of each, how the cases were judged, and every case whose
verdict is worse on wsfast. Such a case is first run alone, both ways, some times: if it can end in
the same way, it is printed as one that varies. The exit status is 1 if a case is worse otherwise,
or if a library was not patched.
"""

import argparse
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "conformance"))

import run
from programs import CLIENTS, SERVERS, not_in_place, on_wsfast, plain

KOSOKU = Path(sys.executable).with_name("kosoku")
# The class for uvicorn has no plain form of its own.
COUNTERPARTS = {"uvicorn-wsfast": "uvicorn-websockets-sansio"}
RANKS = ["OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED"]  # any other is the worst
ALONE = 3  # how often a case that is worse is run alone
PATIENCE = 3600  # seconds for all cases


class NotPatched(Exception):
    """The program did not run on wsfast."""


def try_server(name, patched, cases, reports, log):
    """Let the suite try a server."""
    name = name if patched else COUNTERPARTS.get(name, name)
    start = on_wsfast if patched else plain
    with start("servers.py", name, "--deflate", stderr=log) as server:
        port = server.stdout.readline().strip()
        if not port:
            raise run.ConformanceError(f"{name} did not start")
        command = run.runner_command(KOSOKU, "fuzzingclient", port, cases, reports)
        subprocess.run(command, stdout=log, stderr=log, timeout=PATIENCE)
        if server.poll() is not None:
            raise run.ConformanceError(f"{name} ended with status {server.returncode}")
        if patched:
            prove(server.communicate()[0], SERVERS[name])


def try_client(name, patched, cases, reports, log):
    """Let a client go through the cases that the suite serves."""
    port = run.free_port()
    command = run.runner_command(KOSOKU, "fuzzingserver", port, cases, reports)
    with run.started(command, stdout=log, stderr=log) as runner:
        run.wait_until_listening(port, runner)
        url = f"ws://127.0.0.1:{port}"
        start = on_wsfast if patched else plain
        with start("clients.py", name, url, "--deflate", stderr=log) as client:
            if client.wait(PATIENCE):
                raise run.ConformanceError(f"{name} ended with status {client.returncode}")
            if patched:
                prove(client.stdout.read(), CLIENTS[name])
        runner.wait(run.ENDED_WITHIN)


def prove(output, distributions):
    if missing := not_in_place(output, distributions):
        raise NotPatched(f"not in place: {', '.join(missing)}")


def judge(role, name, patched, cases, reports):
    """The verdict of each case, and the suite's reasons."""
    reports.mkdir(parents=True, exist_ok=True)
    (reports / "index.json").unlink(missing_ok=True)
    with open(reports / "runner.log", "w") as log:
        (try_server if role == "server" else try_client)(name, patched, cases, reports, log)
    return run.read_reports(reports)


def is_worse(verdict, than):
    """Whether one of the two parts of a verdict, behavior and behaviorClose, ranks lower."""

    def rank(word):
        return RANKS.index(word) if word in RANKS else len(RANKS)

    return any(rank(new) > rank(old) for new, old in zip(verdict, than, strict=True))


def compare(role, name, cases, reports):
    """Judge a program plain and on wsfast.

    Returns:
        The verdicts on wsfast, the lines of the cases that vary, and of those that are worse.
    """
    before, _ = judge(role, name, False, cases, reports / "plain")
    after, reasons = judge(role, name, True, cases, reports / "wsfast")
    varying, worse = [], []
    for case in cases:
        old, new = before.get(case, ["NOT RUN"] * 2), after.get(case, ["NOT RUN"] * 2)
        if is_worse(new, than=old):
            line = f"{case}: {'/'.join(old)} plain, {'/'.join(new)} on wsfast. {reasons.get(case)}"
            (varying if varies(role, name, case, reports) else worse).append(line)
    return after, varying, worse


def varies(role, name, case, reports):
    """Whether a case, run alone, comes to the same verdict with wsfast as without."""
    seen = {True: set(), False: set()}
    for _ in range(ALONE):
        for patched, verdicts in seen.items():
            verdict, _ = judge(role, name, patched, [case], reports / "alone")
            verdicts.add(tuple(verdict[case]))
        if seen[True] & seen[False]:
            return True
    return False


def report(role, name, cases, reports):
    """Compare, print, and tell whether nothing is worse."""
    began = time.monotonic()
    try:
        verdicts, varying, worse = compare(role, name, cases, reports / f"{role}-{name}")
    except (run.ConformanceError, NotPatched, subprocess.TimeoutExpired) as error:
        print(f"{role} {name}: NOT RUN, {error}", flush=True)
        return False
    counts = Counter("/".join(verdict) for verdict in verdicts.values()).most_common()
    print(
        f"{role} {name}: {len(verdicts)} cases, {len(worse)} worse on wsfast,",
        f"{time.monotonic() - began:.0f} s;",
        ", ".join(f"{count} {verdict}" for verdict, count in counts),
        flush=True,
    )
    for line in varying:
        print(f"  varies: {line}")
    for line in worse:
        print(f"  WORSE: {line}", flush=True)
    return not worse


def main():
    parser = argparse.ArgumentParser(description="The Autobahn test suite on every library.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a server or client of this folder"
    )
    parser.add_argument("--role", choices=["server", "client"], help="only that")
    parser.add_argument("--cases", nargs="+", default=["*"], help="such as 1.1.1 or '9.*'")
    parser.add_argument("--reports", type=Path, default=Path("build/conformance/dropins"))
    options = parser.parse_args()

    cases = [*run.expected_verdicts(options.cases)]
    programs = [("server", name) for name in SERVERS] + [("client", name) for name in CLIENTS]
    results = [
        report(role, name, cases, options.reports.resolve())
        for role, name in programs
        if name in (options.names or [name]) and role == (options.role or role)
    ]
    if not results:
        parser.error("there is no such program")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
