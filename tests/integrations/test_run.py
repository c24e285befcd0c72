"""``python -m wsfast run -- COMMAND...``: the same program, on wsfast."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import websocket

import wsfast

PROGRAM = """\
import sys
assert "websocket" not in sys.modules
assert __name__ == "__main__" and sys.modules["__main__"].__dict__ is globals()
print({argv}, sys.path[0], {where})
from websocket import ABNF
print(hasattr(ABNF.mask, "__wrapped__"))
sys.exit(7)
"""

HERE = [os.environ.get("PYTHONPATH", ""), str(Path(wsfast.__file__).parents[1])]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, HERE))}


def python(*arguments, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
    )


def run(*command, **options):
    return python("-m", "wsfast", "run", "--", *command, **options)


@pytest.fixture
def script(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text(
        PROGRAM.format(argv="sys.argv", where="__file__")
    )
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.format(argv="sys.argv", where="__file__"))
    return file


def install(directory, script, first_lines):
    program = directory / "a-program"
    program.write_text(first_lines + script.read_text())
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{directory}{os.pathsep}{os.environ['PATH']}"}


def assert_same_but_patched(plain, patched):
    assert patched.stderr == ""
    assert plain.stdout.endswith("False\n")
    assert patched.stdout.endswith("True\n")
    assert patched.stdout.removesuffix("True\n") == plain.stdout.removesuffix("False\n")
    assert patched.returncode == plain.returncode == 7


@pytest.mark.parametrize("options", [[], ["-P"]], ids=["", "-P"])
@pytest.mark.parametrize(
    "command",
    [
        ["program.py"],
        ["program.py", "-x", "--", "run", "--help"],
        ["./program.py"],
        ["package"],
        ["-m", "package", "-m", "-c"],
        ["-m", "program"],
        ["-c", PROGRAM.format(argv="sys.argv", where="0"), "-x"],
    ],
    ids=lambda command: " ".join(command)[:20],
)
def test_runs_a_program_as_python_would(script, command, options):
    if options and (sys.version_info < (3, 11) or command[0] == "-m"):
        pytest.skip("no such option, or no such module with it")
    plain = python(*options, *command, cwd=script.parent)
    patched = python(*options, "-m", "wsfast", "run", "--", *command, cwd=script.parent)
    assert_same_but_patched(plain, patched)


def test_a_link_to_a_script_brings_the_directory_of_the_script(script, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.py"
    link.symlink_to(script)
    assert_same_but_patched(python(link), run(link))


@pytest.mark.parametrize(
    "first_lines",
    [f"#!{sys.executable}\n", f"#!/bin/sh\n'''exec' \"{sys.executable}\" \"$0\" \"$@\"\n' '''\n"],
    ids=["short", "long"],
)
def test_runs_a_program_on_path(script, tmp_path, first_lines):
    path = install(tmp_path, script, first_lines)
    plain = subprocess.run(
        ["a-program", "-x"], env=ENVIRONMENT | path, capture_output=True, text=True
    )
    assert_same_but_patched(plain, run("a-program", "-x", **path))


@pytest.mark.parametrize(
    ("first_lines", "why"),
    [
        ("#!/bin/sh\n", "is not a Python script: /bin/sh runs it"),
        ("\x7fELF", "is not a Python script"),
        ("#!/elsewhere/bin/python3\n", "/elsewhere/bin/python3 -m wsfast run -- a-program"),
    ],
)
def test_refuses_what_is_no_script_for_this_python(script, tmp_path, first_lines, why):
    result = run("a-program", **install(tmp_path, script, first_lines))
    assert result.returncode == 1
    assert result.stdout == ""
    assert why in result.stderr


def test_refuses_what_is_not_there():
    result = run("no-such-program")
    assert result.returncode == 1
    assert result.stderr == "wsfast: no such file, and no such program on PATH: no-such-program\n"


def test_refuses_a_directory_without_main(tmp_path):
    result = run(tmp_path)
    assert result.returncode == 1
    assert result.stderr == f"wsfast: no __main__ in {tmp_path}\n"


def test_a_program_that_fails_shows_its_own_error(tmp_path):
    script = tmp_path / "fails.py"
    script.write_text("import websocket\n1 / 0\n")
    result = run(script)
    assert result.returncode == 1
    assert result.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert f'File "{script}", line 2' in result.stderr


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["run", "--"], ["run", "--", "-m"], ["run", "--", "-c"], ["walk"]]
)
def test_says_how_it_is_used(arguments):
    result = python("-m", "wsfast", *arguments)
    assert result.returncode == 1
    assert result.stderr.startswith("usage: python -m wsfast run -- COMMAND")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["run", "--help"]])
def test_help(arguments):
    result = python("-m", "wsfast", *arguments)
    assert result.returncode == 0
    assert result.stdout.startswith("usage: python -m wsfast run -- COMMAND")


def test_info():
    result = python("-m", "wsfast", "info")
    first, *libraries = result.stdout.splitlines()
    assert first == f"wsfast {wsfast.__version__}, backend {wsfast.backend}, kernel {wsfast.kernel}"
    assert f"websocket-client: {websocket.__version__}" in libraries
