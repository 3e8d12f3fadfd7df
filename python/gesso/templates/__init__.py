"""Renders Jinja templates from files: in bounded time and memory, and with the origin of each character."""
