/*
 * A disk that fails, and a machine out of luck, for tests: loaded before libc (LD_PRELOAD), it fails calls that write
 * beneath a folder, and makes one worker panic.
 *
 * FAULTY_UNDER   the folder; calls on anything else go through
 * FAULTY_ONE_IN  fail one in so many of them, at random; 0 fails none
 * FAULTY_FULL    a file: as long as it is there, every write fails for want of space
 * FAULTY_PANIC   a file: the worker that manages to remove it gets no random numbers, at which Rust's library panics
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int beneath(const char *path) {
    const char *under = getenv("FAULTY_UNDER");
    return under && strncmp(path, under, strlen(under)) == 0;
}

static int beneath_fd(int fd) {
    char name[64], path[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return beneath(path);
}

static int full(void) {
    const char *flag = getenv("FAULTY_FULL");
    return flag && access(flag, F_OK) == 0;
}

static int unlucky(void) {
    static __thread unsigned seed;
    const char *one_in = getenv("FAULTY_ONE_IN");
    int chances = one_in ? atoi(one_in) : 0;
    if (!chances) return 0;
    if (!seed) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        seed = (unsigned)(now.tv_nsec ^ (getpid() * 2654435761u)) | 1;
    }
    return rand_r(&seed) % chances == 0;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A full disk takes nothing; an unlucky write leaves half of it behind and fails. */
#define WRITING(fd, whole, half)                     \
    if (beneath_fd(fd)) {                            \
        if (full()) { errno = ENOSPC; return -1; }   \
        if (unlucky()) {                             \
            if (count > 1) return half;              \
            errno = EIO;                             \
            return -1;                               \
        }                                            \
    }                                                \
    return whole

ssize_t write(int fd, const void *bytes, size_t count) {
    WRITING(fd, NEXT(write)(fd, bytes, count), (NEXT(write)(fd, bytes, count / 2), errno = EIO, -1));
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    WRITING(fd, NEXT(pwrite)(fd, bytes, count, offset),
            (NEXT(pwrite)(fd, bytes, count / 2, offset), errno = EIO, -1));
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    WRITING(fd, NEXT(pwrite64)(fd, bytes, count, offset),
            (NEXT(pwrite64)(fd, bytes, count / 2, offset), errno = EIO, -1));
}

#define SYNCING(name)                                                     \
    int name(int fd) {                                                    \
        if (beneath_fd(fd) && unlucky()) { errno = EIO; return -1; }      \
        return NEXT(name)(fd);                                            \
    }
SYNCING(fsync)
SYNCING(fdatasync)

int rename(const char *from, const char *to) {
    char path[4096];
    if (realpath(from, path) && beneath(path)) {
        if (full()) { errno = ENOSPC; return -1; }
        if (unlucky()) { errno = EIO; return -1; }
    }
    return NEXT(rename)(from, to);
}

static int is_worker(void) {
    char line[4096];
    int file = open("/proc/self/cmdline", O_RDONLY);
    ssize_t length = file < 0 ? -1 : read(file, line, sizeof line - 1);
    if (file >= 0) close(file);
    if (length <= 0) return 0;
    line[length] = 0;
    const char *second = line + strlen(line) + 1;
    return second < line + length && strcmp(second, "worker") == 0;
}

ssize_t getrandom(void *bytes, size_t count, unsigned flags) {
    const char *flag = getenv("FAULTY_PANIC");
    if (flag && access(flag, F_OK) == 0 && is_worker() && unlink(flag) == 0) {
        errno = EIO;
        return -1;
    }
    return NEXT(getrandom)(bytes, count, flags);
}
