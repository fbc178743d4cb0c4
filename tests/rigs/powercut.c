/* Cuts the power of the file system mounted on a folder: EXT4_IOC_SHUTDOWN without a flush of its log. What was not synced
 * is gone, and everything after fails, until it is mounted anew. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define EXT4_IOC_SHUTDOWN _IOR('X', 125, unsigned)
#define WITHOUT_LOG_FLUSH 2u

int main(int count, char **words)
{
    unsigned how = WITHOUT_LOG_FLUSH;
    int dir = count == 2 ? open(words[1], O_RDONLY) : -1;
    if (dir < 0 || ioctl(dir, EXT4_IOC_SHUTDOWN, &how) != 0) {
        perror(count == 2 ? words[1] : "powercut: wants a folder");
        return 1;
    }
    return 0;
}
