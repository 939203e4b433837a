"""Wrong clocks: a process whose time of day is off by what a file says, while it runs (Linux, gcc)."""

import struct
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

# The time of day only: intervals are measured with other clocks, which nobody can set.
SHIM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *offset;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("CLOCK_OFFSET");
    int file = name ? open(name, O_RDONLY) : -1;
    void *found = file < 0 ? MAP_FAILED : mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) offset = found;
    if (file >= 0) close(file);
}

int clock_gettime(clockid_t clock, struct timespec *to) {
    int answer = syscall(SYS_clock_gettime, clock, to);
    int of_day = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    if (!answer && offset && of_day) to->tv_sec += *offset;
    return answer;
}

int gettimeofday(struct timeval *to, void *zone) {
    struct timespec now;
    int answer = clock_gettime(CLOCK_REALTIME, &now);
    to->tv_sec = now.tv_sec;
    to->tv_usec = now.tv_nsec / 1000;
    return answer;
}

time_t time(time_t *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to) *to = now.tv_sec;
    return now.tv_sec;
}
"""


@cache
def library() -> Path:
    folder = Path(mkdtemp(prefix="voicefarm-clock-"))
    source, made = folder / "clock.c", folder / "clock.so"
    source.write_text(SHIM)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(made), str(source)], check=True)
    return made


class WrongClock:
    """`environment` gives it to a process; `set` puts it off by so many seconds, at once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set(0)
        self.environment = {"LD_PRELOAD": str(library()), "CLOCK_OFFSET": str(file)}

    def set(self, seconds: int) -> None:
        with self.file.open("r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("q", seconds))
