"""What both sides of the soak test have to agree on: limits, times, and commands to the echo.

Plain numbers and texts: the load must not import wsfast.
"""

MAX_SIZE = 1 << 20  # bytes, of a message
MAX_FRAGMENTS = 1000  # frames, of a message

# What a message that begins so asks of the one who would echo it.
CLOSE_COMMAND = "\x00close "  # and a code: close with it
RAISE_COMMAND = "\x00raise"  # raise an exception out of the handler


def times(seconds):
    """The time-outs of wsfast, in seconds, for a run of so many."""
    if seconds < 60:
        return {"open_timeout": 5, "close_timeout": 3, "ping_interval": 1, "ping_timeout": 4}
    return {"open_timeout": 15, "close_timeout": 20, "ping_interval": 15, "ping_timeout": 20}
