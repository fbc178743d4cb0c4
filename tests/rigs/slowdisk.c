/* A disk that is sick on command, for tests. Preloaded into the program under test:
 * while the file $SLOWDISK_HANG exists, writes and syncs of files below $SLOWDISK_BELOW wait for it to go;
 * while $SLOWDISK_FULL exists, writes fail with ENOSPC; while $SLOWDISK_ERRORS exists, reads, writes and syncs fail with EIO,
 * as many in a hundred as the file has bytes; while $SLOWDISK_SLOW exists, syncs take as many ms more as that has bytes.
 * Everything else passes through. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static int bytes(const char *name)
{
    const char *file = getenv(name);
    struct stat about;
    return file && stat(file, &about) == 0 ? (int)about.st_size : 0;
}

enum { READS, WRITES, SYNCS };

/* waits while the disk hangs; true if the call is to fail */
static int sick(int fd, int what)
{
    int saved = errno, fails = 0;
    /* of a hundred calls so many fail; ms a sync takes more */
    int percent = bytes("SLOWDISK_ERRORS"), slow = what == SYNCS ? bytes("SLOWDISK_SLOW") : 0;
    int hang = what != READS && there("SLOWDISK_HANG"), full = what == WRITES && there("SLOWDISK_FULL");
    if ((percent || hang || full || slow) && below(fd)) {
        usleep(slow * 1000);
        while (what != READS && there("SLOWDISK_HANG"))
            usleep(2000);
        if (what == WRITES && there("SLOWDISK_FULL"))
            fails = ENOSPC;
        else if (random() % 100 < bytes("SLOWDISK_ERRORS"))
            fails = EIO;
    }
    errno = fails ? fails : saved;
    return fails;
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *p, size_t n) { REAL(write); return sick(fd, WRITES) ? -1 : real(fd, p, n); }
ssize_t pwrite(int fd, const void *p, size_t n, off_t at) { REAL(pwrite); return sick(fd, WRITES) ? -1 : real(fd, p, n, at); }
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) { REAL(pwrite64); return sick(fd, WRITES) ? -1 : real(fd, p, n, at); }
ssize_t writev(int fd, const struct iovec *v, int n) { REAL(writev); return sick(fd, WRITES) ? -1 : real(fd, v, n); }
ssize_t read(int fd, void *p, size_t n) { REAL(read); return sick(fd, READS) ? -1 : real(fd, p, n); }
ssize_t pread(int fd, void *p, size_t n, off_t at) { REAL(pread); return sick(fd, READS) ? -1 : real(fd, p, n, at); }
ssize_t pread64(int fd, void *p, size_t n, off64_t at) { REAL(pread64); return sick(fd, READS) ? -1 : real(fd, p, n, at); }
int fsync(int fd) { REAL(fsync); return sick(fd, SYNCS) ? -1 : real(fd); }
int fdatasync(int fd) { REAL(fdatasync); return sick(fd, SYNCS) ? -1 : real(fd); }
int ftruncate(int fd, off_t n) { REAL(ftruncate); return sick(fd, SYNCS) ? -1 : real(fd, n); }
int ftruncate64(int fd, off64_t n) { REAL(ftruncate64); return sick(fd, SYNCS) ? -1 : real(fd, n); }
