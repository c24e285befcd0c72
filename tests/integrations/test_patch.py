"""``wsfast.patch`` and ``wsfast.unpatch``: one way in, for every library."""

import os
import subprocess
import sys
import warnings
import zlib

import pytest
import websocket
import websockets.frames

import wsfast
from wsfast.integrations import KNOWN
from wsfast.integrations._deflate import stand_in


def on():
    return [name for name, integration in KNOWN.items() if integration.in_place()]


def test_patches_all_that_is_installed():
    patched = wsfast.patch()
    assert patched == [name for name in KNOWN if KNOWN[name].installed]
    assert {"websockets", "websocket-client"} <= set(on())
    assert wsfast.patch() == patched
    wsfast.unpatch()
    assert on() == []


def test_patches_and_unpatches_what_is_named():
    assert wsfast.patch("websocket-client") == ["websocket-client"]
    assert on() == ["websocket-client"]
    wsfast.patch("websockets")
    wsfast.unpatch("websocket-client")
    assert on() == ["websockets"]


def test_tells_what_is_patched():
    assert wsfast.patched() == []
    assert wsfast.patch("websocket-client", "tornado") == ["websocket-client", "tornado"]
    assert wsfast.patched() == ["tornado", "websocket-client"]
    wsfast.unpatch("tornado")
    assert wsfast.patched() == ["websocket-client"]
    wsfast.unpatch()
    assert wsfast.patched() == []


def test_a_library_of_which_somebody_took_a_part_back_is_not_patched(monkeypatch):
    wsfast.patch("websocket-client", "websockets")
    monkeypatch.setattr(websocket.ABNF, "mask", staticmethod(lambda key, data: data))
    assert wsfast.patched() == ["websockets"]


def test_asking_what_is_patched_imports_no_integration():
    code = (
        "import sys, wsfast; wsfast.patched(); assert not any('_seams' in n for n in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("call", [wsfast.patch, wsfast.unpatch])
def test_an_unknown_name_is_an_error_and_changes_nothing(call):
    with pytest.raises(ValueError, match="wsfast does not know 'websocket'; it knows uvicorn, "):
        call("websockets", "websocket")
    assert on() == []


def test_an_unknown_deflate_is_an_error_and_changes_nothing():
    with pytest.raises(ValueError, match="deflate is 'zip': it can be 'zlib', 'zlib-ng', 'isal'"):
        wsfast.patch(deflate="zip")
    assert on() == []


def test_what_is_not_installed_is_refused_only_where_it_is_named(monkeypatch):
    monkeypatch.setattr(type(KNOWN["websockets"]), "installed", None)
    assert wsfast.patch() == []
    with pytest.warns(RuntimeWarning, match="wsfast leaves websockets unpatched: it is not") as got:
        assert wsfast.patch("websockets") == []
    assert got[0].filename == __file__


def test_what_is_refused_keeps_nothing_else_from_being_patched(monkeypatch):
    monkeypatch.setattr(KNOWN["websockets"], "versions", ("0.1",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="wsfast leaves websockets unpatched"):
            wsfast.patch("websockets", "websocket-client")
    assert wsfast.patched() == ["websocket-client"]


@pytest.mark.parametrize("call", [wsfast.patch, KNOWN["websocket-client"].patch])
def test_says_what_it_does_where_that_is_asked_for(monkeypatch, capsys, call):
    call(*["websocket-client"] * (call is wsfast.patch))
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("WSFAST_VERBOSE", "1")
    call(*["websocket-client"] * (call is wsfast.patch))
    assert capsys.readouterr().err == (
        f"wsfast {wsfast.__version__} ({wsfast.backend}, {wsfast.kernel}), process {os.getpid()}: "
        f"runs websocket-client {websocket.__version__}\n"
    )


def test_importing_wsfast_imports_no_integration():
    code = "import sys, wsfast; assert not any('_seams' in name for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_patching_imports_no_library():
    code = (
        "import sys, wsfast\n"
        "from importlib.metadata import packages_distributions\n"
        "assert wsfast.patch()\n"
        "theirs = {m for m, d in packages_distributions().items() if set(d) & set(wsfast.KNOWN)}\n"
        "assert not (theirs | {'h11'}) & set(sys.modules)\n"
    ).replace("wsfast.KNOWN", "__import__('wsfast.integrations').integrations.KNOWN")
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize("name", ["zlib", "zlib-ng", "isal"])
@pytest.mark.parametrize("bits", [9, 12, 15])
@pytest.mark.parametrize("level", [None, -1, 0, 1, 6, 9])
def test_a_stand_in_for_zlib_does_as_zlib(name, bits, level):
    theirs = stand_in(name)
    text = b"Hello, hello! " * 500
    options = {} if level is None else {"level": level}
    compressor = theirs.compressobj(wbits=-bits, memLevel=8, **options)
    data = compressor.compress(text) + compressor.flush(theirs.Z_SYNC_FLUSH)
    assert zlib.decompressobj(wbits=-bits).decompress(data) == text
    inflater = theirs.decompressobj(wbits=-bits)
    assert inflater.decompress(data, 100) == text[:100]
    assert inflater.decompress(inflater.unconsumed_tail) == text[100:]


@pytest.mark.parametrize("name", ["zlib", "zlib-ng", "isal"])
def test_a_stand_in_for_zlib_raises_its_own_error(name):
    theirs = stand_in(name)
    with pytest.raises(theirs.error):
        theirs.decompressobj(wbits=-15).decompress(b"\xff" * 20)


@pytest.mark.parametrize("name", ["zlib-ng", "isal"])
def test_a_stand_in_has_all_names_of_zlib(name):
    public = {name for name in vars(zlib) if not name.startswith("_")}
    assert public <= set(vars(stand_in(name)))


def test_unpatched_libraries_are_the_very_same_after_all_that():
    before = dict(vars(websockets.frames.Frame)), dict(vars(websocket.ABNF))
    wsfast.patch(deflate="isal")
    wsfast.unpatch()
    assert (dict(vars(websockets.frames.Frame)), dict(vars(websocket.ABNF))) == before
