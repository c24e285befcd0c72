"""A page and its WebSocket from one port, for a browser: browser_demo.py [--headless]

Prints the address to open, and what a page that was opened saw. With --headless it has an installed
Chromium open the page, unseen, and ends after that.
"""

import asyncio
import os
import shutil
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from wsfast.asyncio import Page, Response, Route, Router, serve

HTML = Path(__file__).with_name("browser.html").read_bytes()
CHROMIUM = next(filter(shutil.which, ("chromium", "chromium-browser", "google-chrome")), None)
ARGUMENTS = [
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE = 60  # seconds


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def main(headless):
    if headless and CHROMIUM is None:
        print("No Chromium is installed: run examples/browser_demo.py and open its page yourself.")
        return
    first_report = asyncio.get_running_loop().create_future()

    async def seen(ws):
        report = await ws.recv()
        print(report, flush=True)
        if not first_report.done():
            first_report.set_result(report)

    router = Router(
        [
            Page("/", Response(200, {"Content-Type": "text/html; charset=utf-8"}, HTML)),
            Route("/echo", echo),
            Route("/seen", seen),
        ]
    )
    async with serve(router, "127.0.0.1", 0, compression=True, max_size=1 << 24) as server:
        address = f"http://127.0.0.1:{server.port}/"
        if headless:
            print(f"Chromium opens {address} of wsfast, and its page shows:", flush=True)
            async with chromium(address):
                done, _ = await asyncio.wait([first_report], timeout=PATIENCE)
                if not done:
                    print(f"... nothing for {PATIENCE} seconds")
        else:
            print(f"Open {address} in a browser; Ctrl-C ends.", flush=True)
            await server.serve_forever()


@asynccontextmanager
async def chromium(address):
    """Chromium with an empty profile and no window, on a page."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        arguments = [*ARGUMENTS, f"--user-data-dir={profile}", "--remote-debugging-port=0"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            arguments.append("--no-sandbox")  # which root cannot have
        silent = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            CHROMIUM, *arguments, address, stdout=silent, stderr=silent
        )
        try:
            yield
        finally:
            process.terminate()
            await process.wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main("--headless" in sys.argv[1:]))
