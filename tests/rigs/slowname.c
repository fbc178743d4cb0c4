/* A name service that hangs on command, for tests. Preloaded into the program under test: names below .rig are
 * 127.0.0.1, and while the file $SLOWNAME_HANG exists a look-up of one does not come back. Others pass through. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ours(const char *name)
{
    size_t n = name ? strlen(name) : 0;
    return n > 4 && strcmp(name + n - 4, ".rig") == 0;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    static __typeof__(getaddrinfo) *real;
    if (!real)
        real = (__typeof__(getaddrinfo) *)dlsym(RTLD_NEXT, "getaddrinfo");
    const char *file = getenv("SLOWNAME_HANG");
    while (ours(name) && file && access(file, F_OK) == 0)
        usleep(2000);
    return real(ours(name) ? "127.0.0.1" : name, service, hints, found);
}
