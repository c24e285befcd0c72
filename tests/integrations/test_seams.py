"""Seams: checked, reversible, all or none, and without an import that the program did not make."""

import copy
import importlib.util
import linecache
import subprocess
import sys
import textwrap
import threading
import warnings
import zlib
from dataclasses import replace
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

import pytest

from wsfast.integrations._seams import ABSENT, Integration, Seam, fingerprint

LIBRARY = {
    "fakelib/__init__.py": "",
    "fakelib/early.py": """
        class Parser:
            def parse(self, data):
                return "plain", data

            @staticmethod
            def mask(data):
                return "plain", data

        def validate(data):
            return "plain", data

        def use(data):
            return validate(data)
    """,
    "fakelib/late.py": """
        import zlib

        import fakelib.early
        from fakelib.early import validate as check

        def encode(text, *, strict=True):
            "Encode."
            return "plain", text
    """,
    "fakelib-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: fakelib\nVersion: 1.0\n",
}


@pytest.fixture
def library(tmp_path, monkeypatch):
    for path, text in LIBRARY.items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("fakelib")]:
        del sys.modules[name]


def on_wsfast(original, module):
    def replacement(*args, **kwargs):
        return "wsfast", *original(*args, **kwargs)[1:]

    return replacement


NAMES = {
    "Parser.parse": "fakelib.early",
    "Parser.mask": "fakelib.early",
    "validate": "fakelib.early",
    "encode": "fakelib.late",
}


def seams(**fingerprints):
    """Seams for all functions of the library, with the fingerprints that they have."""
    imported = {module: importlib.import_module(module) for module in NAMES.values()}
    known = {
        name: fingerprint(eval(name, vars(imported[module]))) for name, module in NAMES.items()
    }
    for name in [name for name in sys.modules if name.startswith("fakelib")]:
        del sys.modules[name]
    return [
        Seam(module, name, ((known | fingerprints)[name],), on_wsfast)
        for name, module in NAMES.items()
    ]


def holders():
    """Two seams for what the library holds by two names."""
    validate = seams()[2]
    return [validate, replace(validate, module="fakelib.late", attribute="check")]


@pytest.fixture
def integration(library):
    integration = Integration("fakelib", ["0.9", "1.0"], seams())
    yield integration
    integration.unpatch()


def all_calls():
    from fakelib import early, late

    yield early.Parser().parse(1)[0]
    yield early.Parser.mask(1)[0]
    yield early.Parser().mask(1)[0]
    yield early.use(1)[0]
    yield late.encode(1)[0]


def waits():
    return [finder for finder in sys.meta_path if type(finder).__name__ == "_ImportHook"]


@pytest.mark.parametrize("imported_before", ["", "fakelib", "fakelib.early", "fakelib.late"])
def test_patches_what_is_imported_and_what_will_be(integration, imported_before):
    if imported_before:
        importlib.import_module(imported_before)
    loaded = set(sys.modules)
    assert integration.patch()
    assert {name for name in set(sys.modules) - loaded if name.startswith("fakelib")} == set()
    assert set(all_calls()) == {"wsfast"}
    assert sorted(integration.in_place()) == sorted(str(seam) for seam in integration.seams)
    assert not waits()


def test_unpatch_restores_the_very_objects(integration):
    from fakelib import early, late

    def owned():
        return [*vars(early.Parser).items(), early.validate, late.encode]

    before = owned()
    for _ in range(2):
        assert integration.patch()
        assert integration.patch()
        assert set(all_calls()) == {"wsfast"}
        integration.unpatch()
        integration.unpatch()
        assert owned() == before
        assert set(all_calls()) == {"plain"}
        assert integration.in_place() == []


def test_unpatch_before_the_import(integration):
    assert integration.patch()
    assert len(waits()) == 1
    integration.unpatch()
    assert not waits()
    assert set(all_calls()) == {"plain"}


def test_unpatch_leaves_alone_what_somebody_else_has_replaced(integration):
    from fakelib import early

    assert integration.patch()

    def theirs(data):
        return "theirs", data

    early.validate = theirs
    assert len(integration.in_place()) == 2
    integration.unpatch()
    assert early.validate is theirs
    assert early.Parser.mask(1) == ("plain", 1)


def test_replacements_look_like_the_originals(integration):
    from fakelib import late

    before = late.encode
    assert integration.patch()
    assert late.encode.__name__ == "encode"
    assert late.encode.__module__ == "fakelib.late"
    assert late.encode.__doc__ == "Encode."
    assert late.encode.__wrapped__ is before


def test_a_reloaded_module_is_patched_again_on_demand(integration):
    from fakelib import late

    assert integration.patch()
    importlib.reload(late)
    assert set(all_calls()) == {"plain", "wsfast"}
    assert integration.patch()
    assert set(all_calls()) == {"wsfast"}


def test_the_import_hook_leaves_no_trace_in_the_module(integration):
    assert integration.patch()
    from fakelib import early

    assert type(early.__loader__).__name__ == "SourceFileLoader"
    assert early.__spec__.loader is early.__loader__


def test_a_module_that_fails_to_import_is_patched_when_it_succeeds(integration, library):
    late = library / "fakelib" / "late.py"
    source = late.read_text()
    late.write_text("raise RuntimeError\n")
    assert integration.patch()
    with pytest.raises(RuntimeError):
        importlib.import_module("fakelib.late")
    late.write_text(source)
    importlib.invalidate_caches()
    assert set(all_calls()) == {"wsfast"}


@pytest.fixture
def half_way(library, monkeypatch):
    """Have something called while ``fakelib.early`` is imported by ``fakelib.late``.

    By then its class is there, and one name is bound to what it will not stay.
    """
    integration = Integration("fakelib", ["1.0"], seams())
    early = library / "fakelib" / "early.py"
    source = early.read_text()
    function = source[source.index("def validate") : source.index("def use")]

    def call(function_to_call):
        monkeypatch.setattr(sys, "half_way", function_to_call, raising=False)
        early.write_text(
            source.replace(function, "validate = None\nimport sys\nsys.half_way()\n" + function)
        )
        importlib.invalidate_caches()
        linecache.clearcache()
        return integration

    yield call
    integration.unpatch()


@pytest.mark.parametrize("first", ["fakelib.late", "fakelib.early"])
def test_a_patch_while_the_library_is_imported_is_in_place_when_it_is(half_way, first):
    patched = []
    integration = half_way(lambda: patched.append(integration.patch()))
    importlib.import_module(first)
    assert patched == [True]
    assert integration.patched
    assert set(all_calls()) == {"wsfast"}
    assert len(integration.in_place()) == len(integration.seams)
    assert not waits()
    from fakelib import early

    assert type(early.__spec__) is ModuleSpec


def test_a_patch_while_another_thread_imports_the_library_is_in_place_when_it_has(half_way):
    begun, go_on = threading.Event(), threading.Event()

    def wait():
        begun.set()
        assert go_on.wait(20)

    integration = half_way(wait)
    thread = threading.Thread(target=importlib.import_module, args=["fakelib.early"])
    thread.start()
    assert begun.wait(20)
    assert integration.patch()
    go_on.set()
    thread.join()
    assert set(all_calls()) == {"wsfast"}


def test_a_patch_during_an_import_that_fails_is_in_place_when_it_succeeds(half_way):
    def fail():
        integration.patch()
        sys.half_way = lambda: None
        raise ZeroDivisionError

    integration = half_way(fail)
    with pytest.raises(ZeroDivisionError):
        importlib.import_module("fakelib.early")
    assert integration.in_place() == []
    assert set(all_calls()) == {"wsfast"}


def test_an_unpatch_during_the_import_leaves_nothing_behind(half_way):
    integration = half_way(lambda: (integration.patch(), integration.unpatch()))
    assert set(all_calls()) == {"plain"}
    assert not waits()


class _PatchingFinder:
    """Patches while a module is being looked for: too late to be asked where it is."""

    def __init__(self, integration, module):
        self.integration = integration
        self.module = module

    def find_spec(self, fullname, path=None, target=None):
        if fullname == self.module and self.module:
            self.module = ""
            assert self.integration.patch()


@pytest.mark.parametrize("module", ["fakelib", "fakelib.early", "fakelib.late"])
def test_a_patch_while_a_module_is_looked_for(integration, monkeypatch, module):
    monkeypatch.setattr(sys, "meta_path", [_PatchingFinder(integration, module), *sys.meta_path])
    importlib.import_module("fakelib.late")
    assert integration.patched
    assert set(all_calls()) == {"wsfast"}


REAL = """\
import importlib, sys, wsfast
from wsfast.integrations import KNOWN

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {when!r} and not wsfast.patched():
            assert wsfast.patch({library!r}) == [{library!r}]

sys.meta_path.insert(0, Finder())
for module in {modules!r}:
    importlib.import_module(module)
on = set(KNOWN[{library!r}].in_place())
assert on == {{str(seam) for seam in KNOWN[{library!r}].seams if seam.module in sys.modules}}
assert wsfast.patched() == [{library!r}]
print(len(on))
"""


@pytest.mark.parametrize(
    ("library", "when", "modules", "seams"),
    [
        ("websockets", "websockets.speedups", ["websockets.asyncio.server"], 9),
        ("websockets", "websockets.asyncio.messages", ["websockets.asyncio.server"], 9),
        ("tornado", "tornado.gen", ["tornado.websocket"], 6),
        ("tornado", "tornado.web", ["tornado.websocket"], 6),
        ("aiohttp", "aiohttp.client", ["aiohttp.web"], 15),
        ("aiohttp", "aiohttp.http_websocket", ["aiohttp.web"], 15),
        ("aiohttp", "aiohttp.web_ws", ["aiohttp.web"], 15),
    ],
)
def test_libraries_that_are_patched_while_they_are_imported(library, when, modules, seams):
    code = REAL.format(library=library, when=when, modules=modules)
    output = subprocess.check_output([sys.executable, "-W", "error", "-c", code], text=True)
    assert output == f"{seams}\n"


def test_a_missing_module_is_still_missing(library):
    integration = Integration(
        "fakelib", ["1.0"], [Seam("fakelib.nowhere", "parse", ("",), on_wsfast)]
    )
    assert integration.patch()
    with pytest.raises(ModuleNotFoundError, match=r"fakelib\.nowhere"):
        importlib.import_module("fakelib.nowhere")
    integration.unpatch()
    assert not waits()


def test_a_forbidden_import_stays_forbidden(integration, monkeypatch):
    monkeypatch.setitem(sys.modules, "fakelib.late", None)
    assert integration.patch()
    with pytest.raises(ModuleNotFoundError, match="halted"):
        importlib.import_module("fakelib.late")
    monkeypatch.undo()


class _FindsModules:
    """A finder as there were before ``find_spec``."""

    def find_module(self, fullname, path=None):
        return None


@pytest.mark.filterwarnings("ignore::ImportWarning")
def test_a_finder_of_old_is_no_obstacle(integration, monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [_FindsModules(), *sys.meta_path])
    assert integration.patch()
    assert set(all_calls()) == {"wsfast"}
    assert not waits()


class _LoadsModules:
    """A loader as there were before ``exec_module``."""

    def __init__(self, loader):
        self.loader = loader

    def load_module(self, fullname):
        return self.loader.load_module(fullname)


class _FindsLoadersOfOld:
    @staticmethod
    def find_spec(fullname, path=None, target=None):
        spec = PathFinder.find_spec(fullname, path, target)
        if fullname == "fakelib.late" and spec is not None:
            spec.loader = _LoadsModules(spec.loader)
        return spec


@pytest.mark.filterwarnings("ignore::ImportWarning", "ignore::DeprecationWarning")
def test_what_a_loader_of_old_loads_runs_as_it_was(integration, monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [_FindsLoadersOfOld, *sys.meta_path])
    assert integration.patch()
    assert list(all_calls()) == ["wsfast"] * 4 + ["plain"]


def test_what_is_found_but_not_imported_can_be_copied(integration):
    assert integration.patch()
    spec = importlib.util.find_spec("fakelib.early")
    assert copy.deepcopy(spec).loader.get_source("fakelib.early") == spec.loader.get_source(
        "fakelib.early"
    )


def test_a_library_that_is_not_installed_is_refused_at_once(library):
    integration = Integration("no-such-distribution", ["0.8", "0.9"], seams())
    why = r"wsfast leaves no-such-distribution unpatched: it is not installed \(known: 0\.8, 0\.9\)"
    with pytest.warns(RuntimeWarning, match=why) as got:
        assert not integration.patch()
    assert [warning.filename for warning in got] == [__file__]
    assert not waits()


@pytest.fixture
def unknown(library):
    """An integration that does not know the version of the library."""
    integration = Integration("fakelib", ["0.8", "0.9"], seams())
    yield integration
    integration.unpatch()


UNKNOWN = r"wsfast leaves fakelib unpatched: version 1\.0 is not known \(known: 0\.8, 0\.9\)"


@pytest.mark.parametrize("imported", [[], ["fakelib"], ["json.tool"]])
def test_an_unknown_version_that_the_program_does_not_use_is_no_matter(unknown, imported):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not unknown.patch()
        assert not unknown.patched
        for module in imported:
            importlib.import_module(module)


def test_an_unknown_version_is_refused_with_one_warning_when_it_is_imported(unknown):
    assert not unknown.patch()
    assert not unknown.patch()
    with pytest.warns(RuntimeWarning, match=UNKNOWN) as got:
        assert set(all_calls()) == {"plain"}
    assert [warning.filename for warning in got] == [__file__]
    assert not waits()
    assert unknown.in_place() == []


def test_an_unknown_version_that_is_imported_is_refused_at_once(unknown):
    importlib.import_module("fakelib.early")
    with pytest.warns(RuntimeWarning, match=UNKNOWN) as got:
        assert not unknown.patch()
    assert [warning.filename for warning in got] == [__file__]
    assert set(all_calls()) == {"plain"}


def test_unpatch_takes_the_warning_back(unknown):
    assert not unknown.patch()
    unknown.unpatch()
    assert not waits()
    assert set(all_calls()) == {"plain"}


def test_where_warnings_are_errors_the_import_that_is_refused_raises_one(unknown):
    assert not unknown.patch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match=UNKNOWN):
            importlib.import_module("fakelib.early")
        importlib.import_module("fakelib.early")


@pytest.mark.parametrize("changed", NAMES)
def test_one_changed_function_is_refused_and_nothing_is_patched(library, changed):
    integration = Integration("fakelib", ["1.0"], seams(**{changed: "something else"}))
    importlib.import_module("fakelib.late")
    with pytest.warns(RuntimeWarning, match=f"{changed} is not what wsfast knows"):
        assert not integration.patch()
    assert set(all_calls()) == {"plain"}


def test_a_changed_function_that_is_imported_later_takes_all_back(library):
    integration = Integration("fakelib", ["1.0"], seams(encode="something else"))
    assert integration.patch()
    from fakelib import early

    assert early.use(1) == ("wsfast", 1)
    with pytest.warns(RuntimeWarning, match="encode is not what wsfast knows"):
        importlib.import_module("fakelib.late")
    assert set(all_calls()) == {"plain"}
    assert not waits()


@pytest.mark.parametrize("attribute", ["gone", "Parser.gone", "Gone.parse", "validate.parse"])
def test_an_attribute_that_is_not_there_is_refused(library, attribute):
    importlib.import_module("fakelib.early")
    seam = Seam("fakelib.early", attribute, ("",), on_wsfast)
    with pytest.warns(RuntimeWarning, match=f"fakelib.early.{attribute} is not there"):
        assert not Integration("fakelib", ["1.0"], [seam]).patch()


def test_the_wrapper_of_another_tool_is_not_taken_for_the_original(integration):
    from functools import wraps

    from fakelib import early

    original = early.validate
    early.validate = wraps(original)(lambda data: ("theirs", data))
    with pytest.warns(RuntimeWarning, match="validate is not what wsfast knows"):
        assert not integration.patch()
    assert early.use(1) == ("theirs", 1)


def test_functions_without_source_are_refused():
    namespace = {}
    exec(compile("def f(): pass", "<nowhere>", "exec"), namespace)
    assert fingerprint(namespace["f"]) == "its source is not at hand"


@pytest.mark.parametrize("imported_before", [False, True])
def test_two_names_of_one_object_share_what_takes_its_place(library, imported_before):
    integration = Integration("fakelib", ["1.0"], holders())
    if imported_before:
        importlib.import_module("fakelib.late")
    assert integration.patch()
    from fakelib import early, late

    assert late.check is early.validate
    assert late.check(1) == ("wsfast", 1)
    assert len(integration.in_place()) == 2
    integration.unpatch()
    assert late.check is early.validate
    assert late.check(1) == ("plain", 1)


def test_a_name_that_is_not_there_can_be_given_for_as_long_as_it_is_patched(library):
    from fakelib import early

    seam = Seam("fakelib.early", "Parser.limit", (fingerprint(ABSENT),), lambda found, module: 7)
    integration = Integration("fakelib", ["1.0"], [seam])
    assert integration.patch()
    assert early.Parser.limit == 7
    integration.unpatch()
    assert "limit" not in vars(early.Parser)
    early.Parser.limit = 3
    with pytest.warns(
        RuntimeWarning, match=r"limit is not what wsfast knows \(an instance of int\)"
    ):
        assert not integration.patch()
    assert early.Parser.limit == 3


@pytest.mark.parametrize("imported_before", [False, True])
def test_a_library_is_patched_as_long_as_nobody_takes_a_part_back(integration, imported_before):
    if imported_before:
        importlib.import_module("fakelib.early")
    assert not integration.patched
    assert integration.patch()
    assert integration.patched
    from fakelib import early

    assert integration.patched
    early.validate = print
    assert not integration.patched
    integration.unpatch()
    assert not integration.patched


def test_a_class_is_replaced_like_a_function(library):
    from fakelib import early

    original = early.Parser
    seam = Seam("fakelib.early", "Parser", (fingerprint(original),), lambda found, module: Better)
    integration = Integration("fakelib", ["1.0"], [seam])
    assert integration.patch()
    assert early.Parser is Better
    integration.unpatch()
    assert early.Parser is original


class Better:
    """Takes the place of a class."""


def zlib_seams(module):
    return [Seam("fakelib.late", "zlib", ("module zlib",), lambda found, holder: module)]


def test_the_switch_for_compression(library):
    integration = Integration("fakelib", ["1.0"], [], deflate=zlib_seams)
    one, other = ModuleType("one"), ModuleType("other")
    from fakelib import late

    for asked, in_use in [(None, zlib), (one, one), (None, one), (other, other), (zlib, zlib)]:
        assert integration.patch(asked)
        assert late.zlib is in_use
    assert integration.patch(one)
    integration.unpatch()
    assert late.zlib is zlib
    assert integration.patch()
    assert late.zlib is zlib


def test_the_switch_waits_for_the_import(library):
    integration = Integration("fakelib", ["1.0"], [], deflate=zlib_seams)
    one = ModuleType("one")
    assert integration.patch(one)
    from fakelib import late

    assert late.zlib is one
    integration.unpatch()


def test_what_is_compiled_is_known_by_its_name():
    assert fingerprint(len) == "built-in builtins.len"
    assert fingerprint(int) == "built-in builtins.int"
    assert fingerprint(3) == "an instance of int"


def test_no_warning_where_all_is_well(integration):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert integration.patch()
        assert set(all_calls()) == {"wsfast"}
