"""Runs at the start of a program under ``python -m wsfast run``, and of every Python it starts.

``_children.hand_down`` puts this directory first on PYTHONPATH for that. It may be any Python, with
wsfast or without, so all that is done here has to be harmless in each.
"""

import os
import sys

# It hides another file of this name, which has to run as if this one were not here.
_here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != _here]
_this = sys.modules.pop("sitecustomize")
try:
    import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
except ImportError as exc:
    sys.modules["sitecustomize"] = _this
    if getattr(exc, "name", None) != "sitecustomize":
        raise
finally:
    try:
        from wsfast.integrations._children import patch_as_told
    except ImportError:
        pass
    else:
        patch_as_told()
