"""The browsers, and the website that they visit, over http and https.

WSFAST_BROWSERS names the browsers to test with: "chromium firefox".
"""

import sys
from pathlib import Path

import pytest
import trustme

# Any import mode of pytest finds the helpers of these tests.
sys.path.append(str(Path(__file__).parent))

import bidi
from website import website


@pytest.fixture(scope="session", params=bidi.WANTED)
def started_browser(request, tmp_path_factory):
    name = request.param
    missing = bidi.missing(name)
    assert not missing, f"WSFAST_BROWSERS asks for {name}: install {' and '.join(missing)}"
    with getattr(bidi, name)(tmp_path_factory.mktemp(name)) as browser:
        yield browser


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A file with key and certificate for 127.0.0.1, of an authority that nobody knows."""
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(path)
    return path


@pytest.fixture(scope="module", params=["ws", "wss"])
def site(request):
    """The website, in the clear and by TLS."""
    secure = request.param == "wss"
    with website(request.getfixturevalue("certificate") if secure else None) as site:
        yield site


@pytest.fixture
def browser(started_browser, site):
    """A browser that has just loaded the page of the website."""
    started_browser.open(site.origin)
    return started_browser
