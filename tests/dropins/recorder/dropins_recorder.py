"""A plugin for pytest, ``-p dropins_recorder``: writes what became of every test, and on what.

At the end the file that ``DROPINS_RECORD`` names has, as JSON, ``outcomes``: of each test id its
outcome and the last line of the reason; and ``seams``: of each library that is loaded those that
are ``on`` and ``off``. Imports nothing of wsfast by itself.
"""

import json
import os
import sys

# Of several reports of one test (its set-up, its call, its subtests, its end) the worst counts.
RANKS = ["passed", "xfailed", "skipped", "xpassed", "failed", "error"]
outcomes = {}


def outcome_of(report):
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.failed and report.when != "call":
        return "error"
    return report.outcome


def note(report, outcome):
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    known = outcomes.get(report.nodeid, ["passed", ""])
    if RANKS.index(outcome) >= RANKS.index(known[0]):
        outcomes[report.nodeid] = [outcome, reason.strip().rpartition("\n")[2]]


def pytest_runtest_logreport(report):
    note(report, outcome_of(report))


def pytest_collectreport(report):
    if not report.passed:
        note(report, "error" if report.failed else "skipped")


def seams():
    """Of each library that is loaded: the seams that are in place, and those that are not."""
    if "wsfast" not in sys.modules:
        return {}
    from wsfast.integrations import KNOWN

    found = {}
    for name, known in KNOWN.items():
        on = set(known.in_place())
        there = {str(seam) for seam in known.seams if seam.module in sys.modules}
        if there:
            found[name] = {"on": sorted(on), "off": sorted(there - on)}
    return found


def pytest_unconfigure():
    with open(os.environ["DROPINS_RECORD"], "w") as file:
        json.dump({"outcomes": outcomes, "seams": seams()}, file)
