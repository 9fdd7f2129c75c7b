#include "flash_file.h"

#include "fk/err.h"
#include "host_files.h"

enum { STEP = 256 }; /* bytes moved at a time, on the stack */

static int place(const fk_flash_file *file, uint32_t address, uint32_t size)
{
    const uint32_t end = file->geometry->segment_size * file->geometry->segment_count;
    if (address > end || size > end - address) {
        return FK_ERR_INVAL;
    }
    return fk_host_seek(file->handle, address);
}

static int read_bytes(void *ctx, uint32_t address, uint8_t *out, uint32_t size)
{
    const fk_flash_file *file = ctx;
    const int rc = place(file, address, size);
    if (rc < 0) {
        return rc;
    }
    return fk_host_read(file->handle, out, size) == (int)size ? 0 : FK_ERR_IO;
}

/* Bits only fall from 1 to 0: each unit must be erased. */
static int check_erased(const fk_flash_file *file, uint32_t address, uint32_t size)
{
    uint8_t old[STEP];
    int rc = place(file, address, size);
    while (rc == 0 && size > 0) {
        const uint32_t n = size < STEP ? size : STEP;
        if (fk_host_read(file->handle, old, n) != (int)n) {
            return FK_ERR_IO;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (old[i] != 0xFFu) {
                return FK_ERR_IO;
            }
        }
        size -= n;
    }
    return rc;
}

static int program_bytes(void *ctx, uint32_t address, const uint8_t *data, uint32_t size)
{
    const fk_flash_file *file = ctx;
    if ((address | size) & (file->geometry->program_unit - 1u)) {
        return FK_ERR_INVAL;
    }
    int rc = check_erased(file, address, size);
    if (rc == 0) {
        rc = place(file, address, size);
    }
    return rc < 0 ? rc : fk_host_write(file->handle, data, size);
}

static int erase_segment(void *ctx, uint32_t segment)
{
    const fk_flash_file *file = ctx;
    uint8_t blank[STEP];
    for (uint32_t i = 0; i < STEP; i++) {
        blank[i] = 0xFFu;
    }
    if (segment >= file->geometry->segment_count) {
        return FK_ERR_INVAL;
    }
    int rc = place(file, segment * file->geometry->segment_size, file->geometry->segment_size);
    for (uint32_t left = file->geometry->segment_size; rc == 0 && left > 0;) {
        const uint32_t n = left < STEP ? left : STEP;
        rc = fk_host_write(file->handle, blank, n);
        left -= n;
    }
    return rc;
}

void fk_flash_file_port(fk_flash *flash, fk_flash_file *file)
{
    flash->ctx = file;
    flash->read = read_bytes;
    flash->program = program_bytes;
    flash->erase = erase_segment;
}
