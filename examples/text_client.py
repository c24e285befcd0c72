"""A client of websocket-client that receives long texts: text_client.py PORT COUNT"""

import sys
import time

import websocket

port, count = map(int, sys.argv[1:])
connection = websocket.create_connection(f"ws://127.0.0.1:{port}/")
connection.send(str(count))
connection.recv()
start = time.perf_counter()
for _ in range(count - 1):
    text = connection.recv()
print((time.perf_counter() - start) / (count - 1))
connection.close()
