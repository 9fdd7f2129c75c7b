#include "block_device.h"

#include <string.h>

#include "fk/flash.h"

static const fk_flash *flash_of(const void *config)
{
    const fk_flash *flash;
    memcpy(&flash, config, sizeof flash);
    return flash;
}

int fk_block_read(const void *config, uint32_t block, uint32_t offset, void *out, uint32_t size)
{
    const fk_flash *flash = flash_of(config);
    uint32_t address, length;

    fk_flash_segment(flash, block, &address, &length);
    return flash->read(flash->ctx, address + offset, out, size) < 0 ? FK_BLOCK_IO : 0;
}

int fk_block_program(const void *config, uint32_t block, uint32_t offset, const void *data, uint32_t size)
{
    const fk_flash *flash = flash_of(config);
    uint32_t address, length;

    fk_flash_segment(flash, block, &address, &length);
    return flash->program(flash->ctx, address + offset, data, size) < 0 ? FK_BLOCK_IO : 0;
}

int fk_block_erase(const void *config, uint32_t block)
{
    const fk_flash *flash = flash_of(config);

    return flash->erase(flash->ctx, block) < 0 ? FK_BLOCK_IO : 0;
}

int fk_block_sync(const void *config)
{
    (void)config;
    return 0;
}
