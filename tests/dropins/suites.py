"""Runs the libraries' own suites plain and on wsfast, and compares them test by test.

``python suites.py [NAME[==VERSION]]...`` takes those that are named, or all of ``libraries.py``.
For each it makes a folder in build/peers with the source distribution from PyPI and a virtual
environment, in which wsfast is installed as the wheel that users would get; with ``--here`` it
takes the libraries and the wsfast that are installed for this Python. ``WSFAST_EXTENSION`` chooses
the backend.

Prints a line a run, and every test whose outcome is another on wsfast. Such a test is first run
alone, both ways, some times: if it can pass and fail either way, it is printed as one that varies.
The exit status is 1 if anything differs otherwise, or if a library was not patched or could not be
run.
"""

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from importlib import metadata
from pathlib import Path

from libraries import SUITES, Suite

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "peers"
INTEGRATIONS = ROOT / "tests" / "integrations"
NOT_RUN = ["not run", ""]
ALONE = 3  # how often a test that differs is run alone


class SuiteError(Exception):
    """A suite could not be fetched or run."""


class NotReachable(SuiteError):
    """Tests that are not on PyPI could not be fetched."""


def call(*command, **options):
    """Run a command; what it printed tells why it failed."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    if done.returncode:
        line = " ".join(map(str, command))
        raise SuiteError(f"{line}\nended with status {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


def source(suite):
    """The folder with the library's source distribution, fetched if it is not here yet."""
    folder = BUILD / "sources" / f"{suite.name}-{suite.version}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as parts:
            download = download_archive if suite.archive else download_sdist
            with tarfile.open(download(suite, Path(parts))) as tar:
                tar.extractall(f"{parts}/unpacked", filter="data")
            [unpacked] = Path(parts, "unpacked").iterdir()
            unpacked.rename(folder)
    return folder


def download_sdist(suite, folder):
    requirement = f"{suite.name}=={suite.version}"
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-binary", ":all:", "--no-deps"]
    call(*pip, "--dest", folder, requirement)
    [archive] = folder.glob("*.tar.gz")
    return archive


def download_archive(suite, folder):
    archive = folder / "archive.tar.gz"
    try:
        with urllib.request.urlopen(suite.archive, timeout=60) as response:
            archive.write_bytes(response.read())
    except (urllib.error.URLError, OSError) as error:
        raise NotReachable(f"{suite.archive}: {error}") from None
    return archive


def lay_out(suite, folder):
    """Make a folder with the tests only, so that what is tested is what is installed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name in suite.files:
        origin = source(suite) / name
        if not origin.is_dir():
            raise SuiteError(f"there is no {name} in its source distribution")
        shutil.copytree(origin, folder / origin.name)


def build_wheel():
    """The wheel of this source tree."""
    folder = BUILD / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    call(*pip, "--wheel-dir", folder, ROOT)
    [wheel] = folder.glob("*.whl")
    return wheel


def environment(suite, wheel):
    """The Python of the library's virtual environment, made if it is not here yet."""
    tag = sys.implementation.cache_tag
    folder = BUILD / "environments" / f"{suite.name}-{suite.version}-{tag}"
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q"]
    made = folder / "made"
    wanted = "\n".join(["pytest", *suite.requires, f"{suite.name}=={suite.version}"])
    if not made.exists() or made.read_text() != wanted:
        call(sys.executable, "-m", "venv", "--clear", folder)
        call(*install, *wanted.split("\n"))
        call(*install, wheel)
        made.write_text(wanted)
    call(*install, "--force-reinstall", "--no-deps", wheel)
    return python


@dataclasses.dataclass
class Place:
    """Where a suite is run: with which Python, in which folder, and with which settings."""

    suite: Suite
    python: Path
    folder: Path
    settings: dict[str, str]

    def __post_init__(self):
        in_package = "--pyargs" in self.suite.tests
        self.root = packages_of(self.python) if in_package else self.folder

    def run(self, patched, *arguments):
        """What ``dropins_recorder`` wrote of a run of pytest."""
        record = self.folder.parent / f"{'patched' if patched else 'plain'}.json"
        record.unlink(missing_ok=True)
        plugins = ["dropins_recorder", "no:cacheprovider", *self.suite.plugins]
        options = [f"-p{plugin}" for plugin in plugins]
        options += ["-c", self.folder / "pytest.ini", f"--rootdir={self.root}"]
        command = ["-m", "pytest", *options, "--continue-on-collection-errors", *arguments]
        if patched:
            command = ["-m", "wsfast", "run", "--", *command]
        paths = [HERE / "recorder", *([INTEGRATIONS] if self.suite.plugins else [])]
        settings = {
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "DROPINS_RECORD": str(record),
            **self.settings,
        }
        with open(record.with_suffix(".log"), "w") as log:
            done = subprocess.run(
                [self.python, *command],
                cwd=self.folder,
                env={**os.environ, **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=self.suite.seconds,
            )
        if not record.exists():
            raise SuiteError(f"ended with status {done.returncode}, see {log.name}")
        return json.loads(record.read_text())


def compare(place):
    """Run a suite plain and patched.

    Returns:
        How many tests had which outcome on wsfast, the lines of those that vary, and the lines of
        all else that differs.
    """
    suite = place.suite
    plain = place.run(False, *suite.tests)
    patched = place.run(True, *suite.tests)
    varying, differing = [], []
    if any(seams["on"] for seams in plain["seams"].values()):
        differing.append("the library was patched without wsfast, too")
    for name in suite.patched or [suite.name]:
        if not patched["seams"].get(name, {"on": []})["on"]:
            differing.append(f"not one seam of {name} was in place at the end")
    if not patched["outcomes"]:
        differing.append("no test was run")
    for test in sorted({*plain["outcomes"], *patched["outcomes"]}):
        before = plain["outcomes"].get(test, NOT_RUN)
        after = patched["outcomes"].get(test, NOT_RUN)
        if before[0] != after[0]:
            line = f"{test}: {before[0]} plain, {after[0]} on wsfast. {after[1]}"
            (varying if varies(place, test) else differing).append(line)
        elif suite.ours and suite.ours in test and after[0] not in ("passed", "skipped"):
            differing.append(f"{test}: {after[0]} with a class of wsfast. {after[1]}")
    return Counter(outcome for outcome, _ in patched["outcomes"].values()), varying, differing


def varies(place, test):
    """Whether a test, run alone, comes to the same outcome with wsfast as without."""
    seen = {True: set(), False: set()}
    for _ in range(ALONE):
        for patched, outcomes in seen.items():
            record = place.run(patched, f"{place.root}/{test}")
            outcomes.add(record["outcomes"].get(test, NOT_RUN)[0])
        if seen[True] & seen[False] - {NOT_RUN[0]}:
            return True
    return False


def report(place, title):
    """Compare, print, and tell whether all is as it was."""
    started = time.monotonic()
    counts, varying, differing = compare(place)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    took = time.monotonic() - started
    print(f"{title}: {outcomes}; {len(differing)} different, {took:.0f} s", flush=True)
    for line in varying:
        print(f"  varies: {line}")
    for line in differing:
        print(f"  DIFFERS: {line}", flush=True)
    return not differing


def run_suite(suite, python, runs):
    """Run a suite in all its variants, and tell whether all is as it was."""
    alike = True
    for name, settings in suite.variants.items():
        folder = runs / "-".join([suite.name, *name.split()]) / "folder"
        lay_out(suite, folder)
        title = " ".join(filter(None, [suite.name, suite.version, name]))
        alike &= report(Place(suite, python, folder, settings), title)
    return alike


def packages_of(python):
    """Where packages are installed for that Python."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(call(python, "-c", code).strip())


def chosen(names, here):
    """The suites of these names, each of another version if one is named or installed here."""
    suites = {suite.name: suite for suite in SUITES}
    for name in names or suites:
        name, _, version = name.partition("==")
        if name not in suites:
            raise SystemExit(f"no suite of {name}; there are: {', '.join(suites)}")
        suite = suites[name]
        version = version or (metadata.version(name) if here else suite.version)
        archive = suite.archive and suite.archive.replace(suite.version, version)
        yield dataclasses.replace(suite, version=version, archive=archive)


def main():
    parser = argparse.ArgumentParser(description="The libraries' own suites on wsfast.")
    parser.add_argument("suites", nargs="*", metavar="NAME[==VERSION]")
    parser.add_argument("--here", action="store_true", help="on what is installed for this Python")
    parser.add_argument("--runs", type=Path, default=BUILD / "runs", help="the folder for records")
    options = parser.parse_args()
    alike = True
    wheel = None if options.here else build_wheel()
    for suite in [*chosen(options.suites, options.here)]:
        try:
            python = Path(sys.executable) if options.here else environment(suite, wheel)
            alike &= run_suite(suite, python, options.runs.resolve())
        except NotReachable as error:
            print(f"{suite.name} {suite.version}: SKIPPED, its tests are not on PyPI; {error}")
        except (SuiteError, subprocess.TimeoutExpired) as error:
            print(f"{suite.name} {suite.version}: NOT RUN, {error}", flush=True)
            alike = False
    return 0 if alike else 1


if __name__ == "__main__":
    sys.exit(main())
