"""A soak test: wsfast in a process, the load in another one, and then the reckoning.

``python soak.py KIND LOOP`` tries an echo of wsfast: a server whose handlers are coroutines, one
with callbacks, or clients. For minutes it keeps a thousand connections open: messages of all sizes
and kinds, in fragments, cut anywhere, some compressed; slow readers, silence, resets, broken rules
and every kind of good-bye. It prints one summary as JSON, and exits with 1 if anything is wrong:

- an error or a warning that was logged and not asked for;
- a message whose echo did not come, or came changed; a close code that was not the right one, at
  either end; a peer that was not let go in time;
- more memory in use at the end than after a fifth of the time, beyond GROWTH;
- a connection, a task or a file descriptor that is left.

``WSFAST_EXTENSION`` chooses the backend.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).parent

# Seconds beyond the time of the run: for the last connections, of which some wait for time-outs,
# and for what cannot hang for ever to be over.
PATIENCE = 150

# From here on memory is judged: the median of the last fifth of the time against the one of the
# second fifth. The load is random, and a fifth has to be long enough for that to cancel out.
JUDGED_FROM = 120  # seconds

# How much each may grow. Blocks are what Python has in use, and tell a leak of any object. Memory
# is what the process holds, leaks of C included; heaps creep up to a plateau for minutes, while
# what is in use of them stays the same.
GROWTH = {"blocks": 0.03, "memory": 0.05}

LATE = 2.0  # seconds; from here on peers miss wsfast's time-outs through no fault of wsfast

# So that glibc gives back more of what was freed.
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


class Process:
    """One of the two programs; its standard input tells it when to end, by ending."""

    def __init__(self, stack, script, *arguments):
        command = [sys.executable, HERE / script, *map(str, arguments)]
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        options["env"] = os.environ | GIVE_BACK
        self.process = stack.enter_context(subprocess.Popen(command, **options))
        stack.callback(self.process.kill)
        self.name = script

    def port(self):
        return int(self.process.stdout.readline())

    def told(self, deadline):
        """What it has to tell, when it ends."""
        out, _ = self.process.communicate(timeout=max(1, deadline - time.monotonic()))
        if self.process.returncode:
            raise RuntimeError(f"{self.name} ended with status {self.process.returncode}")
        return json.loads(out)


def run(options, folder):
    """Run both programs; what they tell."""
    deadline = time.monotonic() + options.seconds + PATIENCE
    common = ["--connections", options.connections, "--seconds", options.seconds]
    load_options = [*common, "--rate", options.rate, "--seed", options.seed]
    load_options += ["--seen", folder / "expected"]
    subject_options = [options.kind, options.loop, *common, "--seen", folder / "seen"]
    with ExitStack() as stack:
        if options.kind == "clients":
            load = Process(stack, "load.py", "server", 0, *load_options)
            subject = Process(stack, "subject.py", *subject_options, "--port", load.port())
            time.sleep(options.seconds)
            told = subject.told(deadline)
            return told, load.told(deadline)
        subject = Process(stack, "subject.py", *subject_options)
        load = Process(stack, "load.py", "client", subject.port(), *load_options)
        told = load.told(deadline)
        return subject.told(deadline), told


def disagreements(folder):
    """What wsfast saw of a connection, where that is not what it must have seen."""
    expected, seen = (
        [tuple(line.split()) for line in (folder / name).read_text().splitlines()]
        for name in ("expected", "seen")
    )
    ends = dict(seen)
    wrong = [] if len(ends) == len(seen) else [f"{len(seen) - len(ends)} connections ended twice"]
    for number, wanted in expected:
        if ends.get(number) != wanted:
            wrong.append(f"life {number}: wsfast saw {ends.get(number)}, and it was {wanted}")
    return wrong


def judge(options, subject, load, folder):
    """A line for everything that is wrong."""
    wrong = [*load["failures"], *subject["told"], *disagreements(folder)[:20]]
    if options.kind != "clients" and subject["asked_for"] != load["asked_to_raise"]:
        wrong.append(f"{subject['asked_for']} errors that were asked for were logged")
    if any(subject["left"].values()):
        wrong.append(f"left: {subject['left']}")
    if load["failed"] or subject["errors"]:
        wrong.append(f"{load['failed']} lives failed, {subject['errors']} errors were logged")
    if wrong and load["late"] > LATE:
        wrong.append(
            f"the load was {load['late']} s behind, which may have made all of it: "
            "this machine is too busy for so much; lower --rate or --connections"
        )
    if options.seconds >= JUDGED_FROM:
        for name, growth in GROWTH.items():
            _, early, *_, late = subject[name]
            if late > early * (1 + growth):
                wrong.append(f"{name} grew from {early} to {late}")
        if min(subject["open"][1:]) < 0.75 * options.connections:
            wrong.append(f"only {subject['open']} connections were open")
    return wrong


def main(options):
    print(f"{options.kind} on {options.loop}, seed {options.seed}", file=sys.stderr, flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            subject, load = run(options, folder)
        except subprocess.TimeoutExpired as exc:
            summary = {"wrong": [f"{Path(exc.cmd[1]).name} did not end"]}
        except (RuntimeError, ValueError) as exc:
            summary = {"wrong": [str(exc)]}
        else:
            wrong = judge(options, subject, load, folder)
            summary = {"subject": subject, "load": load, "wrong": wrong}
    took = round(time.monotonic() - started, 1)
    print(json.dumps({**vars(options), "took": took, **summary}, indent=1))
    return 1 if summary["wrong"] else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A soak test of wsfast's server and client.")
    parser.add_argument("kind", choices=["coroutine", "callbacks", "clients"])
    parser.add_argument("loop", choices=["uvloop", "asyncio"])
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rate", type=float, default=600, help="writes a second, of all peers")
    parser.add_argument("--seed", default=str(random.randrange(1 << 32)))
    sys.exit(main(parser.parse_args()))
