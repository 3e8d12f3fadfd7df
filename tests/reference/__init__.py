"""NumPy oracles: each module holds one op's formula, written from the model's definition.

They compute in the type of their floating point arguments: float64 gives the oracle, float32 the plain evaluation that
the tolerance rule compares with.
"""
