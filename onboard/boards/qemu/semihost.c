#include "semihost.h"

#include "fk/err.h"

enum {
    SYS_OPEN = 0x01,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_SEEK = 0x0A,
    SYS_EXIT_EXTENDED = 0x20
};
#define ADP_STOPPED_APPLICATION_EXIT 0x20026u

static int32_t call(uint32_t operation, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

static uint32_t length(const char *text)
{
    uint32_t n = 0;
    while (text[n] != '\0') {
        n++;
    }
    return n;
}

int fk_host_open(const char *name, int mode)
{
    const uint32_t arguments[3] = {(uint32_t)(uintptr_t)name, (uint32_t)mode, length(name)};
    const int32_t handle = call(SYS_OPEN, arguments);
    return handle < 0 ? FK_ERR_IO : (int)handle;
}

int fk_host_read(int handle, uint8_t *out, size_t size)
{
    const uint32_t arguments[3] = {(uint32_t)handle, (uint32_t)(uintptr_t)out, size};
    const int32_t left = call(SYS_READ, arguments);
    return left < 0 || (uint32_t)left > size ? FK_ERR_IO : (int)(size - (uint32_t)left);
}

int fk_host_write(int handle, const uint8_t *data, size_t size)
{
    const uint32_t arguments[3] = {(uint32_t)handle, (uint32_t)(uintptr_t)data, size};
    return call(SYS_WRITE, arguments) == 0 ? 0 : FK_ERR_IO;
}

int fk_host_seek(int handle, uint32_t offset)
{
    const uint32_t arguments[2] = {(uint32_t)handle, offset};
    return call(SYS_SEEK, arguments) == 0 ? 0 : FK_ERR_IO;
}

void fk_host_print(const char *text)
{
    call(SYS_WRITE0, text);
}

_Noreturn void fk_host_exit(int status)
{
    const uint32_t arguments[2] = {ADP_STOPPED_APPLICATION_EXIT, (uint32_t)status};
    for (;;) {
        call(SYS_EXIT_EXTENDED, arguments);
    }
}
