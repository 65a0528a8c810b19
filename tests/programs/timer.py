#!/usr/bin/env python3
"""Has a periodic timer run out, waits for a file, and then for the timer to run out again.

    timer.py FILE
"""

import ctypes
import os
import select
import sys
import time

PERIOD = 10_000_000  # ns


class Spec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("period_s", "period_ns", "first_s", "first_ns")]


libc = ctypes.CDLL(None, use_errno=True)
fd = libc.timerfd_create(time.CLOCK_MONOTONIC, 0)
if fd < 0 or libc.timerfd_settime(fd, 0, ctypes.byref(Spec(0, PERIOD, 0, PERIOD)), None) < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
select.select([fd], [], [])
print("ran out", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
for _ in range(3):  # the first is what had run out before
    os.read(fd, 8)
print("ran out again", flush=True)
