"""Echo programs of frameworks, as their documents show them; they know nothing of wsfast."""
