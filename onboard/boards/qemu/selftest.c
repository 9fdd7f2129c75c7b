/* A board proves itself: memory was set up, files come and go, the flash port
 * is strict, and a counted loop takes the instructions that its text says. */
#include "fk/crc.h"
#include "fk/err.h"
#include "flash_file.h"
#include "marks.h"
#include "semihost.h"

static volatile uint32_t initialised = 0x12345678u;
static volatile uint32_t zeroed;
static __attribute__((section(".work"))) uint8_t buffer[4096];

/* Exactly 3 * rounds + 2 instructions: mov, {subs, nop, bne} * rounds, bx. */
__attribute__((naked, noinline)) static void counted(uint32_t rounds)
{
    __asm__ volatile("mov r1, r0\n"
                     "1: subs r1, r1, #1\n"
                     "nop\n"
                     "bne 1b\n"
                     "bx lr\n");
    (void)rounds;
}

static int copy_file(void)
{
    const int in = fk_host_open("in.bin", FK_HOST_READ);
    const int out = fk_host_open("out.bin", FK_HOST_WRITE);
    if (in < 0 || out < 0) {
        return 3;
    }
    for (;;) {
        const int n = fk_host_read(in, buffer, sizeof buffer);
        if (n <= 0) {
            return n == 0 ? 0 : 4;
        }
        if (fk_host_write(out, buffer, (size_t)n) != 0) {
            return 5;
        }
    }
}

static int use_flash(void)
{
    static const uint8_t word[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t back[8];
    fk_flash flash = {.segment_size = 1024, .segment_count = 4, .program_unit = 8};
    fk_flash_file file = {fk_host_open("flash.bin", FK_HOST_UPDATE), &flash};
    fk_flash_file_port(&flash, &file);
    if (flash.erase(flash.ctx, 1) != 0 || flash.program(flash.ctx, 1024, word, 8) != 0) {
        return 6;
    }
    if (flash.program(flash.ctx, 1024, word, 8) != FK_ERR_IO ||
        flash.program(flash.ctx, 1028, word, 8) != FK_ERR_INVAL ||
        flash.program(flash.ctx, 4096, word, 8) != FK_ERR_INVAL ||
        flash.erase(flash.ctx, 4) != FK_ERR_INVAL) {
        return 7;
    }
    if (flash.read(flash.ctx, 1024, back, 8) != 0 ||
        fk_crc32(FK_CRC32_INIT, back, 8) != fk_crc32(FK_CRC32_INIT, word, 8)) {
        return 8;
    }
    return 0;
}

int main(void)
{
    if (initialised != 0x12345678u) {
        return 1;
    }
    if (zeroed != 0) {
        return 2;
    }
    fk_mark_begin();
    fk_mark_end();
    fk_mark_begin();
    counted(1000);
    fk_mark_end();
    const int rc = copy_file();
    return rc != 0 ? rc : use_flash();
}
