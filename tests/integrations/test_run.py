"""``python -m wsfast run -- COMMAND...``: the same program, on wsfast."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import websocket

import wsfast
from wsfast.integrations import KNOWN

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
    assert result.stderr.startswith("usage: python -m wsfast run")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["run", "--help"]])
def test_help(arguments):
    result = python("-m", "wsfast", *arguments)
    assert result.returncode == 0
    assert result.stdout.startswith("usage: python -m wsfast run")


CHILD = """\
import multiprocessing, os, subprocess, sys
CODE = "from websocket import ABNF; print(hasattr(ABNF.mask, '__wrapped__'), sys.path[1:])"
CODE = "import sys; " + CODE

def say():
    exec(CODE)

if __name__ == "__main__":
    sys.stdout.flush()
    {start}
"""

PROCESS = "p = multiprocessing.get_context('{}').Process(target=say); p.start(); p.join()"

STARTS = {
    "subprocess": "subprocess.run([sys.executable, '-c', CODE], check=True)",
    "spawn": PROCESS.format("spawn"),
    "fork": PROCESS.format("fork"),
    "exec": "os.execv(sys.executable, [sys.executable, '-c', CODE])",
    "grandchild": "subprocess.run([sys.executable, '-c', "
    "f'import subprocess, sys; subprocess.run([sys.executable, \"-c\", {CODE!r}])'])",
}


@pytest.mark.parametrize("start", STARTS)
def test_the_processes_of_a_program_run_on_it_too(tmp_path, start):
    script = tmp_path / "program.py"
    script.write_text(CHILD.format(start=STARTS[start]))
    plain, patched = python(script), run(script)
    assert (plain.stderr, patched.stderr) == ("", "")
    assert plain.stdout.startswith("False")
    assert patched.stdout == plain.stdout.replace("False", "True")


def test_a_child_that_ignores_the_environment_runs_as_it_is(tmp_path):
    code = "import sys; print('wsfast' in sys.modules)"
    result = run(
        "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-I', '-c', {code!r}])"
    )
    assert result.stdout == "False\n"


def test_another_sitecustomize_runs_as_if_there_were_none_of_ours(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.theirs = __name__, __file__\n")
    code = "import sys, sitecustomize; print(sys.theirs, sitecustomize.__file__)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    path = os.pathsep.join([str(tmp_path), ENVIRONMENT["PYTHONPATH"]])
    plain = python("-c", child, PYTHONPATH=path)
    patched = run("-c", child, PYTHONPATH=path)
    assert patched.stderr == ""
    assert patched.stdout == plain.stdout
    assert str(tmp_path) in patched.stdout


ON = "from wsfast.integrations import KNOWN\nprint([n for n in KNOWN if KNOWN[n].in_place()])"
IMPORT_BOTH = "import websocket, websockets.frames, websockets.protocol, websocket._core\n"


@pytest.mark.parametrize(
    ("told", "names"),
    [
        ("auto", ["websockets", "websocket-client"]),
        ("", ["websockets", "websocket-client"]),
        ("websockets", ["websockets"]),
        ("websocket-client, websockets", ["websockets", "websocket-client"]),
    ],
)
def test_the_environment_says_what_to_patch(told, names):
    assert run("-c", IMPORT_BOTH + ON, WSFAST_PATCH=told).stdout == f"{names}\n"


def test_an_unknown_name_is_an_error():
    result = run("-c", "print(1)", WSFAST_PATCH="websockets,websocketz")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("wsfast: wsfast does not know 'websocketz'; it knows ")


DEFLATE = "from websockets.extensions import permessage_deflate as p; print(p.zlib.compressobj)"


@pytest.mark.parametrize("environment", [False, True])
def test_says_what_to_compress_with(environment):
    if environment:
        result = run("-c", DEFLATE, WSFAST_DEFLATE="zlib-ng")
    else:
        result = python("-m", "wsfast", "run", "--deflate", "zlib-ng", "--", "-c", DEFLATE)
    assert "stand_in" in result.stdout
    assert "built-in" in run("-c", DEFLATE).stdout


def test_an_unknown_deflate_is_an_error():
    result = run("-c", "print(1)", WSFAST_DEFLATE="lzma")
    assert result.returncode == 1
    assert result.stderr == "wsfast: deflate is 'lzma': it can be 'zlib', 'zlib-ng', 'isal'\n"


def test_the_doctor_tells_what_is_on():
    result = python("-m", "wsfast", "doctor")
    assert result.stderr == ""
    first, *_ = result.stdout.splitlines()
    assert first.startswith(f"wsfast {wsfast.__version__} on ")
    assert first.endswith(f": backend {wsfast.backend}, kernel {wsfast.kernel}")
    seams = len(KNOWN["websocket-client"].seams)
    verdict = f"websocket-client {websocket.__version__}: {seams} of {seams} seams on\n"
    assert verdict in result.stdout
    assert "    on  websocket._abnf.ABNF.mask\n" in result.stdout
