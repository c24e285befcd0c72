"""Libraries as they are against the same on wsfast: see ``__main__``."""
