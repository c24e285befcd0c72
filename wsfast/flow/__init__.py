"""What waits between the wire and the program, and for how long: queues with exact sizes.

Knows messages and their sizes; no socket, no event loop, no clock.
"""
