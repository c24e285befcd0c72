"""Runs a program, and tells at its end what of it ran on wsfast.

``python -m wsfast run -- witness.py PROGRAM [ARGUMENT]...``: the end is that of the program or that
of its standard input, whichever comes first. Then one more line of JSON comes on standard output,
which says of each library that the program has imported which seams are ``on``, and which ``off``.
"""

import json
import os
import runpy
import sys
import threading
from pathlib import Path


def testimony():
    from wsfast.integrations import KNOWN

    said = {}
    for name, integration in KNOWN.items():
        on = set(integration.in_place())
        there = {str(seam) for seam in integration.seams if seam.module in sys.modules}
        if there:
            said[name] = {"on": sorted(on), "off": sorted(there - on)}
    return said


def testify():
    print(json.dumps(testimony()), flush=True)


def testify_at_end_of_input():
    sys.stdin.read()
    testify()
    os._exit(0)


def main():
    del sys.argv[0]
    program = sys.argv[0]
    sys.path[0] = str(Path(program).parent)
    threading.Thread(target=testify_at_end_of_input, daemon=True).start()
    runpy.run_path(program, run_name="__main__")
    testify()
    os._exit(0)


if __name__ == "__main__":
    main()
