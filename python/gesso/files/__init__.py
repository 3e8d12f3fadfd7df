"""Reads and writes files of weights. Nothing here runs a model."""
