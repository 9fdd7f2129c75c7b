/* The whole flight code.
 *
 * Files, all in the working directory: session.bin is played (see session.h),
 * flash.bin is the flash, changed in place; records.bin and downlink.bin are
 * written. The model lies where the board has it. */
#include "fk/err.h"
#include "flash_file.h"
#include "host_files.h"
#include "memory.h"
#include "session.h"

enum { EXIT_SESSION = 64 }; /* below it: minus the error of the session */

typedef struct {
    int events, records, packets;
} files;

static int read_events(void *ctx, uint8_t *out, size_t size)
{
    const int n = fk_host_read(((files *)ctx)->events, out, size);
    return n == (int)size ? 0 : FK_ERR_IO;
}

static int write_record(void *ctx, const uint8_t *bytes, size_t size)
{
    return fk_host_write(((files *)ctx)->records, bytes, size);
}

static int write_packet(void *ctx, const uint8_t *bytes, size_t size)
{
    return fk_host_write(((files *)ctx)->packets, bytes, size);
}

static fk_session session;

int main(void)
{
    files open = {
        .events = fk_host_open("session.bin", FK_HOST_READ),
        .records = fk_host_open("records.bin", FK_HOST_WRITE),
        .packets = fk_host_open("downlink.bin", FK_HOST_WRITE),
    };
    fk_flash flash = {0}; /* no banks: the segments are of one size */
    fk_flash_file file = {.handle = fk_host_open("flash.bin", FK_HOST_UPDATE), .geometry = &flash};
    const fk_session_port port = {&open, read_events, write_record, write_packet};
    const fk_board_memory memory = fk_board_lends();
    const fk_session_board board = {
        .port = &port,
        .model = memory.model,
        .model_room = memory.model_room,
        .flash = &flash,
        .work = memory.work,
        .work_size = memory.work_size,
        .index = memory.index,
        .index_size = memory.index_size,
    };

    fk_flash_file_port(&flash, &file);
    const int rc = fk_session_run(&session, &board);
    if (rc < 0) {
        fk_host_print(rc == FK_ERR_TOOSMALL
                          ? "this board's memory is too small for the mission's frame, model and picture"
                          : fk_err_text(rc));
        return rc > -EXIT_SESSION ? -rc : EXIT_SESSION;
    }
    return 0;
}
