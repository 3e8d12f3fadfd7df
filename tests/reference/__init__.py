"""Formulas in NumPy, one op per module, written from the model's definition. Tests compare ops with them.

A formula computes in the type of its floating point arguments. With float64 it gives the exact result. With float32 it
gives the plain evaluation that the tolerance rule compares with.
"""
