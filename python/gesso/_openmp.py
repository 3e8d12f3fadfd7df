"""Lets idle OpenMP threads sleep. Imported before the native module.

By default they spin between the parallel regions of a pass, which are short and many: beside any other load on the same
cores the spinning costs more than the work (measured: 5 times the time with three busy processes on two cores).
OpenMP reads the policy from the environment when its library is loaded, so it is set for that moment only, and a policy
the user has chosen stays.
"""

import os
from contextlib import contextmanager

POLICY = "OMP_WAIT_POLICY"


@contextmanager
def passive_waiting():
    if POLICY in os.environ:
        yield
        return
    os.environ[POLICY] = "passive"
    try:
        yield
    finally:
        del os.environ[POLICY]
