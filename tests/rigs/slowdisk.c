/* A disk that is sick on command, for tests. Preloaded into the program under test:
 * while the file $SLOWDISK_HANG exists, writes and syncs of files below $SLOWDISK_BELOW wait for it to go;
 * while $SLOWDISK_FULL exists, writes fail with ENOSPC. Everything else passes through. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int below(int fd)
{
    const char *dir = getenv("SLOWDISK_BELOW");
    char link[64], path[4096];
    if (!dir || fd < 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return 0;
    path[n] = 0;
    return strncmp(path, dir, strlen(dir)) == 0;
}

static int there(const char *name)
{
    const char *file = getenv(name);
    return file && access(file, F_OK) == 0;
}

/* waits while the disk hangs; true if the write is to fail */
static int sick(int fd, int writes)
{
    int saved = errno, full = 0;
    if (there("SLOWDISK_HANG") || there("SLOWDISK_FULL")) {
        if (below(fd)) {
            while (there("SLOWDISK_HANG"))
                usleep(2000);
            full = writes && there("SLOWDISK_FULL");
        }
    }
    errno = full ? ENOSPC : saved;
    return full;
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *p, size_t n) { REAL(write); return sick(fd, 1) ? -1 : real(fd, p, n); }
ssize_t pwrite(int fd, const void *p, size_t n, off_t at) { REAL(pwrite); return sick(fd, 1) ? -1 : real(fd, p, n, at); }
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) { REAL(pwrite64); return sick(fd, 1) ? -1 : real(fd, p, n, at); }
ssize_t writev(int fd, const struct iovec *v, int n) { REAL(writev); return sick(fd, 1) ? -1 : real(fd, v, n); }
int fsync(int fd) { REAL(fsync); sick(fd, 0); return real(fd); }
int fdatasync(int fd) { REAL(fdatasync); sick(fd, 0); return real(fd); }
int ftruncate(int fd, off_t n) { REAL(ftruncate); sick(fd, 0); return real(fd, n); }
int ftruncate64(int fd, off64_t n) { REAL(ftruncate64); sick(fd, 0); return real(fd, n); }
