"""The contest of servers: they echo over loopback what a load generator in C sends."""
