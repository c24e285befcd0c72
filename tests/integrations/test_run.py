"""``python -m wsfast run -- COMMAND...``: the same program, on wsfast."""

import os
import py_compile
import signal
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import websocket
import websockets

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


def python(*arguments, cwd=None, input="", **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        input=input,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
    )


def run(*command, options=(), **how):
    return python(*options, "-m", "wsfast", "run", "--", *command, **how)


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


def test_a_program_beside_the_interpreter_comes_before_those_on_path(script, tmp_path):
    """A virtual environment need not be activated."""
    own = Path(sys.executable).with_name("pytest")
    assert own.exists()
    install(tmp_path, script, f"#!{sys.executable}\n")
    (tmp_path / "a-program").rename(tmp_path / "pytest")
    for path in ("", str(tmp_path)):
        result = run("pytest", "--version", PATH=path)
        assert result.stderr == ""
        assert result.stdout.startswith("pytest ")


@pytest.mark.parametrize("on_path", [True, False])
@pytest.mark.parametrize(
    ("first_lines", "why"),
    [
        ("#!/bin/sh\n", "is not a Python script: /bin/sh runs it"),
        ("#!/usr/bin/env -S VARIABLE=1 sh -e\n", "sh runs it"),
        ("\x7fELF\0", "is not a Python script"),
    ],
)
def test_refuses_what_is_no_python_script(script, tmp_path, first_lines, why, on_path):
    path = install(tmp_path, script, first_lines)
    result = run("a-program", **path) if on_path else run(tmp_path / "a-program")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"wsfast: {tmp_path / 'a-program'} ")
    assert why in result.stderr


@pytest.mark.parametrize("interpreter", ["/elsewhere/bin/python3", "/usr/bin/env pypy3.99"])
def test_refuses_a_program_that_belongs_to_another_python(script, tmp_path, interpreter):
    path = install(tmp_path, script, f"#!{interpreter}\n")
    result = run("a-program", "-x", **path)
    assert result.returncode == 1
    assert result.stdout == ""
    python = interpreter.removeprefix("/usr/bin/env ")
    assert f"    {python} -m wsfast run -- a-program -x\n" in result.stderr


def test_refuses_another_python(tmp_path):
    other = tmp_path / "python3.99"
    other.touch(mode=0o755)
    result = run("python3.99", "-m", "this", PATH=str(tmp_path))
    assert result.returncode == 1
    assert f"    {other} -m wsfast run -- -m this\n" in result.stderr


def test_a_script_by_its_path_may_belong_to_any_python(script):
    script.write_text("#!/elsewhere/bin/python3\n" + script.read_text())
    assert_same_but_patched(python(script), run(script))


def test_refuses_what_is_not_there():
    result = run("no-such-program")
    assert result.returncode == 1
    assert result.stderr == "wsfast: no such file, and no such program on PATH: no-such-program\n"


def test_refuses_a_directory_without_main(tmp_path):
    result = run(tmp_path)
    assert result.returncode == 1
    assert result.stderr == f"wsfast: no __main__ in {tmp_path}\n"


VARIABLES = """\
#!/elsewhere/bin/python3
import re, sys
names = {name: re.sub(" at 0x[0-9a-f]+", "", repr(value)) for name, value in globals().items()}
print(names, sys.argv, sys.path, sys.flags, sys.warnoptions, sys._xoptions, __debug__)
print(sys.stdout.write_through, sys.dont_write_bytecode)
"""


@pytest.fixture
def forms(tmp_path):
    """One program in every form that Python runs."""
    (tmp_path / "form.py").write_text(VARIABLES)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "__main__.py").write_text(VARIABLES)
    py_compile.compile(tmp_path / "form.py", tmp_path / "compiled.pyc")
    with zipfile.ZipFile(tmp_path / "archive.pyz", "w") as archive:
        archive.writestr("__main__.py", VARIABLES)
    return tmp_path


def assert_the_same(plain, patched):
    assert (patched.stdout, patched.stderr) == (plain.stdout, plain.stderr)
    assert patched.returncode == plain.returncode


@pytest.mark.parametrize(
    "command",
    [
        *(["form.py"], ["-m", "form"], ["-c", VARIABLES], ["-"], ["folder"], ["archive.pyz"]),
        *(["compiled.pyc"], ["-x", "form.py"]),
    ],
    ids=["script", "module", "code", "input", "folder", "archive", "compiled", "second line"],
)
def test_a_program_in_any_form_finds_nothing_changed(forms, command):
    plain = python(*command, "-a", cwd=forms, input=VARIABLES)
    patched = run(*command, "-a", cwd=forms, input=VARIABLES)
    assert plain.stdout.count("\n") == 2
    assert_the_same(plain, patched)


@pytest.mark.parametrize(
    ("outer", "options"),
    [
        ([], ["-u"]),
        (["-O"], ["-W", "error"]),
        (["-X", "utf8", "-Wignore"], ["-Werror", "-Xdev"]),
        (["-u"], ["-bbBOO"]),
        ([], ["--check-hash-based-pycs", "always", "-q"]),
    ],
    ids=" ".join,
)
def test_options_of_the_interpreter_are_heeded(forms, options, outer):
    plain = python(*outer, *options, "form.py", cwd=forms)
    patched = run(*options, "form.py", options=outer, cwd=forms)
    assert_the_same(plain, patched)


@pytest.mark.parametrize("name", ["python3", sys.executable])
def test_the_program_may_be_this_python(forms, name):
    plain = run("-u", "form.py", cwd=forms)
    assert plain.returncode == 0
    assert_the_same(plain, run(name, "-u", "form.py", cwd=forms, PATH=""))


@pytest.mark.parametrize("behind", [True, False])
def test_an_option_that_would_keep_it_from_patching_is_refused(behind):
    command = ["-c", "print(1)"]
    result = run("-I", *command) if behind else run(*command, options=["-I"])
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("wsfast: with -I, Python does not look at what tells it to ")


def test_it_runs_from_the_current_directory_too(tmp_path):
    base = getattr(sys, "_base_executable", sys.executable)
    if base == sys.executable:
        pytest.skip("this Python is no virtual environment")
    code = "import sys; print('wsfast' in sys.modules)"
    environment = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
    result = subprocess.run(
        [base, "-m", "wsfast", "run", "--", "-c", code],
        cwd=Path(wsfast.__file__).parents[1],
        env=environment | {"WSFAST_EXTENSION": "0"},
        capture_output=True,
        text=True,
    )
    assert (result.stdout, result.stderr) == ("True\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="no process becomes another there")
def test_the_program_has_the_process_that_was_started():
    command = [sys.executable, "-m", "wsfast", "run", "--", "-c", "import os; print(os.getpid())"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout.read() == f"{process.pid}\n"


FAILURES = {
    "error": "import websocket\ndef fail():\n    1 / 0\nfail()\n",
    "syntax": "import websocket\n1 +\n",
    "exit": "import sys; sys.exit('over')\n",
    "interrupt": "import os, signal; os.kill(os.getpid(), signal.SIGINT)\n",
    "hook": "import sys, traceback\n"
    "sys.excepthook = lambda *exc: print(len(traceback.extract_tb(exc[2])))\n1 / 0\n",
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_program_that_fails_does_so_as_without(tmp_path, failure):
    script = tmp_path / "fails.py"
    script.write_text(FAILURES[failure])
    plain, patched = python(script), run(script)
    assert plain.returncode == (-signal.SIGINT if failure == "interrupt" else 1)
    assert_the_same(plain, patched)


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


@pytest.fixture
def unknown_version(tmp_path):
    """websockets of a version that wsfast does not know, and a folder for temporary files."""
    metadata = "Metadata-Version: 2.1\nName: websockets\nVersion: 99.0\n"
    (tmp_path / "websockets-99.0.dist-info").mkdir()
    (tmp_path / "websockets-99.0.dist-info" / "METADATA").write_text(metadata)
    (tmp_path / "temporary").mkdir()
    path = os.pathsep.join([str(tmp_path), ENVIRONMENT["PYTHONPATH"]])
    yield {"PYTHONPATH": path, "TMPDIR": str(tmp_path / "temporary")}
    assert [*(tmp_path / "temporary").iterdir()] == []


def test_a_library_that_is_not_used_is_no_reason_to_warn(unknown_version):
    result = run("-c", "print(1)", PYTHONWARNINGS="error", **unknown_version)
    assert (result.returncode, result.stdout, result.stderr) == (0, "1\n", "")


def test_where_warnings_are_errors_the_import_of_an_unknown_version_raises_one(unknown_version):
    code = "try:\n import websockets.frames\nexcept RuntimeWarning as warning: print(warning)"
    result = run("-c", code, PYTHONWARNINGS="error", **unknown_version)
    assert result.stderr == ""
    assert result.stdout.startswith("wsfast leaves websockets unpatched: version 99.0 is not known")


FAMILY = """\
import multiprocessing, subprocess, sys
{before}

def work():
    import websockets.frames

if __name__ == "__main__":
    for way in ("spawn", "fork", "spawn"):
        process = multiprocessing.get_context(way).Process(target=work)
        process.start()
        process.join()
        assert process.exitcode == 0
    subprocess.run([sys.executable, "-c", "import websockets.frames"], check=True)
"""


@pytest.mark.parametrize("before", ["import websockets.frames", ""], ids=["parent", "children"])
def test_a_family_of_processes_warns_once(tmp_path, unknown_version, before):
    script = tmp_path / "family.py"
    script.write_text(FAMILY.format(before=before))
    result = run(script, **unknown_version)
    assert result.returncode == 0
    assert result.stderr.count("wsfast leaves websockets unpatched: version 99.0") == 1


def test_each_process_says_what_it_runs_where_that_is_asked_for(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(CHILD.format(start=STARTS["subprocess"]))
    environment = {"WSFAST_VERBOSE": "1", "WSFAST_PATCH": "websocket-client,websockets"}
    result = run(script, **environment)
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    versions = f"websocket-client {websocket.__version__}, websockets {websockets.__version__}"
    for line in lines:
        assert line.startswith(f"wsfast {wsfast.__version__} ({wsfast.backend}, {wsfast.kernel}), ")
        assert line.endswith(f": runs {versions}")
    assert run(script, **environment | {"WSFAST_VERBOSE": "0"}).stderr == ""


def test_it_says_of_an_unknown_version_that_it_is_left_as_it_is(unknown_version):
    environment = {"WSFAST_VERBOSE": "1", "WSFAST_PATCH": "websockets"}
    result = run("-c", "", **environment, **unknown_version)
    assert result.stderr.endswith(": runs nothing; leaves websockets 99.0 unpatched\n")


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


def test_the_doctor_knows_which_names_it_knows():
    result = python("-m", "wsfast", "doctor", "websocket")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("wsfast does not know 'websocket'; it knows uvicorn, websocket")
    assert result.stderr.endswith(". Did you mean websockets or websocket-client?\n")
