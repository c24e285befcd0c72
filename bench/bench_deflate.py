"""permessage-deflate both ways: JSON of 1 KiB compressed by one end and decompressed by the other.

wsfast on each backend that is installed, against websockets' own extension on the same terms
(window of 12 bits, mem_level 5, context takeover), in interleaved rounds. Each is checked first.
Behind that, what a connection keeps allocated for compressing and for decompressing, and what is
left of both when it is idle.

    python bench/bench_deflate.py
"""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable

from contest import Contestant, contest
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from wsfast import Role
from wsfast.protocol.deflate import Deflate, DeflateCodec
from wsfast.protocol.deflate_codec import BACKENDS, load_backend

LIMIT = 1 << 20
BITS = 12


def documents(size: int = 1024, count: int = 64) -> list[bytes]:
    """JSON texts that resemble each other as the messages of one application do."""
    chosen = random.Random(7692)
    names = ["alice", "bob", "carol", "dave", "erin"]
    texts = []
    for _ in range(count):
        rows: list[dict[str, object]] = []
        while len(json.dumps(rows)) < size:
            row = {
                "id": chosen.randrange(10**6),
                "user": chosen.choice(names),
                "value": round(chosen.random() * 1000, 2),
                "active": chosen.random() < 0.5,
            }
            rows.append(row)
        texts.append(json.dumps(rows).encode())
    return texts


def of_wsfast(texts: list[bytes], backend: str) -> tuple[Callable[[], list[bytes]], float]:
    """Make the round of one backend, and tell how small its messages become."""
    deflate = Deflate(backend=backend)
    answer, on_server = deflate.accept(deflate.offer())
    server = on_server.codec(Role.SERVER)
    client = deflate.agree(answer).codec(Role.CLIENT)
    compress, decompress = server.compress, client.decompress
    payloads = map(on_server.codec(Role.SERVER).compress, texts)
    ratio = sum(map(len, payloads)) / sum(map(len, texts))
    return lambda: [decompress(compress(text), LIMIT) for text in texts], ratio


def of_websockets(texts: list[bytes]) -> Callable[[], list[bytes]]:
    """Make the round of websockets."""
    server, client = (PerMessageDeflate(False, False, BITS, BITS, {"memLevel": 5}) for _ in "sc")
    frames = [Frame(Opcode.TEXT, text) for text in texts]

    def both_ways() -> list[bytes]:
        return [client.decode(server.encode(frame), max_size=LIMIT).data for frame in frames]

    return both_ways


def memory(texts: list[bytes], backend: str) -> tuple[float, float, float]:
    """Tell what a connection keeps: to compress, to decompress, and after release; in KiB."""
    deflate = Deflate(backend=backend)
    _, parameters = deflate.accept(deflate.offer())
    payload = parameters.codec(Role.SERVER).compress(texts[0])

    def allocated(use: Callable[[DeflateCodec], object]) -> float:
        before = tracemalloc.get_traced_memory()[0]
        for codec in codecs:
            use(codec)
        return (tracemalloc.get_traced_memory()[0] - before) / len(codecs) / 1024

    tracemalloc.start()
    codecs = [parameters.codec(Role.SERVER) for _ in range(100)]
    compressing = allocated(lambda codec: codec.compress(texts[0]))
    decompressing = allocated(lambda codec: codec.decompress(payload, LIMIT))
    released = allocated(lambda codec: codec.release())
    tracemalloc.stop()
    return compressing, decompressing, compressing + decompressing + released


def main() -> None:
    """Print a row a backend."""
    texts = documents()
    websockets = Contestant("websockets", of_websockets(texts))
    for backend in BACKENDS:
        try:
            load_backend(backend)
        except ImportError as exc:
            print(exc)
            continue
        run, ratio = of_wsfast(texts, backend)
        result = contest(run, [websockets])
        compressing, decompressing, released = memory(texts, backend)
        print(
            f"{backend:8} {result.seconds / len(texts) * 1e6:5.1f} us a message, "
            f"websockets {result.ratios['websockets']:.2f}x as long; size {ratio:.1%}; "
            f"{compressing:.0f} + {decompressing:.0f} KiB, idle {released:.1f} KiB"
        )


if __name__ == "__main__":
    main()
