#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fk/err.h"
#include "host_files.h"

enum { MODE = 0666 };

int fk_host_open(const char *name, int mode)
{
    const int flags = mode == FK_HOST_READ     ? O_RDONLY
                      : mode == FK_HOST_UPDATE ? O_RDWR
                                               : O_WRONLY | O_CREAT | O_TRUNC;
    const int handle = open(name, flags, MODE);
    return handle < 0 ? FK_ERR_IO : handle;
}

int fk_host_read(int handle, uint8_t *out, size_t size)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t n = read(handle, out + done, size - done);
        if (n < 0) {
            return FK_ERR_IO;
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    return (int)done;
}

int fk_host_write(int handle, const uint8_t *data, size_t size)
{
    while (size > 0) {
        const ssize_t n = write(handle, data, size);
        if (n <= 0) {
            return FK_ERR_IO;
        }
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

int fk_host_seek(int handle, uint32_t offset)
{
    return lseek(handle, (off_t)offset, SEEK_SET) < 0 ? FK_ERR_IO : 0;
}

void fk_host_print(const char *text)
{
    (void)fk_host_write(STDERR_FILENO, (const uint8_t *)text, strlen(text));
}
