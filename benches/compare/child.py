"""Runs a command and prints its exit code, wall and CPU seconds and peak MB as JSON: child.py CPUS LOG COMMAND...

To be run by `python3 -I -S`: what a child is said to have used at its peak includes what its parent held when it was started,
so the parent has to be small. It is under 9 MB, and no figure can be smaller than that."""

import os
import sys
import time

cpus, log, *command = sys.argv[1:]
os.sched_setaffinity(0, [int(cpu) for cpu in cpus.split(",")])
flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
to_log = [(os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644), (os.POSIX_SPAWN_DUP2, 1, 2)]
began = time.perf_counter()
pid = os.posix_spawnp(command[0], command, os.environ, file_actions=to_log)
_, status, used = os.wait4(pid, 0)
wall = time.perf_counter() - began
code = os.waitstatus_to_exitcode(status)
print(f'{{"code": {code}, "wall": {wall:.5f}, "cpu": {used.ru_utime + used.ru_stime:.5f}, "peak": {used.ru_maxrss / 1024:.2f}}}')
