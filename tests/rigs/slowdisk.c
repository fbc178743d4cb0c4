/* A disk that is sick on command, for tests. Preloaded into the program under test:
 * while the file $SLOWDISK_HANG exists, writes and syncs of files below $SLOWDISK_BELOW wait for it to go;
 * while $SLOWDISK_FULL exists, writes fail with ENOSPC; while $SLOWDISK_ERRORS exists, reads, writes and syncs fail with EIO,
 * as many in a hundred as the file has bytes; while $SLOWDISK_SLOW exists, syncs take as many ms more as that has bytes.
 * Everything else passes through. How long syncs take, in ns, is kept in the file $SLOWDISK_TOOK: the longest, then for some threads when
 * the one under way began (UTC), 0 where none is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
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

enum { THREADS = 64 };
static struct {
    int64_t longest, began[THREADS];
} *took;

/* nothing is under way in a process that begins */
__attribute__((constructor)) static void keep(void)
{
    const char *file = getenv("SLOWDISK_TOOK");
    int fd = file ? open(file, O_RDWR | O_CREAT, 0644) : -1;
    if (fd < 0 || syscall(SYS_ftruncate, fd, sizeof *took))
        return;
    void *map = mmap(NULL, sizeof *took, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return;
    took = map;
    memset(took->began, 0, sizeof took->began);
}

/* the kernel's own: another library may have set the clock */
static int64_t now(void)
{
    struct timespec t;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &t);
    return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}

static int synced(int fd, int (*real)(int))
{
    int64_t *began = took && below(fd) ? &took->began[syscall(SYS_gettid) % THREADS] : NULL, since = now();
    if (began)
        *began = since;
    int result = sick(fd, SYNCS) ? -1 : real(fd), saved = errno;
    int64_t length = now() - since;
    if (began) {
        *began = 0;
        if (length > took->longest)
            took->longest = length;
    }
    errno = saved;
    return result;
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
int fsync(int fd) { REAL(fsync); return synced(fd, real); }
int fdatasync(int fd) { REAL(fdatasync); return synced(fd, real); }
int ftruncate(int fd, off_t n) { REAL(ftruncate); return sick(fd, SYNCS) ? -1 : real(fd, n); }
int ftruncate64(int fd, off64_t n) { REAL(ftruncate64); return sick(fd, SYNCS) ? -1 : real(fd, n); }
