"""Reads the text of one tool call: exactly as the format has it, or where it is a little wrong."""
