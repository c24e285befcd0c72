"""The command line behind ``run --``, read as Python reads its own."""

import sys

import pytest

from wsfast.integrations._program import CommandError, command_line


@pytest.fixture(autouse=True)
def no_options_of_ours(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, "-m", "wsfast", "run"])


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["-m", "this", "-u"], ["-m", "this", "-u"]),
        (["-mthis", "-u"], ["-m", "this", "-u"]),
        (["-c", "1", "-I"], ["-c", "1", "-I"]),
        (["-cprint(1)\n"], ["-c", "print(1)\n"]),
        (["-uBm", "this"], ["-uB", "-m", "this"]),
        (["-uWerror", "-X", "dev", "-c", ""], ["-uWerror", "-X", "dev", "-c", ""]),
        (["-uW", "error", "-m", "this"], ["-uW", "error", "-m", "this"]),
        (["-", "-E"], ["-", "-E"]),
        (["--version"], ["--version"]),
        (["-i"], ["-i"]),
        (["--", __file__], [__file__]),
        (["--check-hash-based-pycs", "never", "-"], ["--check-hash-based-pycs", "never", "-"]),
        (["python"], []),
        (["python", "-u", "-m", "this"], ["-u", "-m", "this"]),
        (["-u", sys.executable, "-B", __file__, "-S"], ["-u", "-B", __file__, "-S"]),
    ],
    ids=str,
)
def test_options_end_where_python_has_them_end(command, expected):
    assert command_line(command) == [sys.executable, *expected]


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (["-m", "wsfast"], []),
        (["-O", "-mwsfast"], ["-O"]),
        (["-Xdev", "-um", "wsfast"], ["-Xdev", "-u"]),
        (["-W", "error", "/bin/wsfast"], ["-W", "error"]),
    ],
    ids=str,
)
def test_the_options_of_this_python_are_the_programs_too(monkeypatch, ours, expected):
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, *ours, "run", "--", "-q", "-"])
    assert command_line(["-q", "-"]) == [sys.executable, *expected, "-q", "-"]


@pytest.mark.parametrize("option", ["-I", "-uE", "-BS"])
@pytest.mark.parametrize("before", [[], ["python3"]])
def test_an_option_with_which_nothing_would_be_patched_is_refused(option, before):
    with pytest.raises(CommandError, match=f"with -{option[-1]}, Python does not look at"):
        command_line([*before, option, "-c", "print(1)"])


def test_it_is_refused_in_our_own_command_line_too(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, "-I", "-m", "wsfast", "run"])
    with pytest.raises(CommandError, match="with -I, Python does not look at"):
        command_line(["-"])


def test_a_directory_of_a_programs_name_does_not_hide_the_program(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest").mkdir()
    assert command_line(["pytest"])[1].endswith("/bin/pytest")
    (tmp_path / "pytest" / "__main__.py").touch()
    assert command_line(["pytest"])[1:] == ["pytest"]
