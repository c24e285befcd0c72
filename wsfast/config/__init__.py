"""What a program decides about its connections: limits, times, routes, delays, proxies.

Knows requests, responses and addresses; no socket, no event loop, no clock.
"""
