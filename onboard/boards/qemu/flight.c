/* The whole flight code on an emulated board.
 *
 * Files, all in the emulator's working directory: session.bin is played (see
 * session.h), flash.bin is the flash, changed in place; records.bin and
 * downlink.bin are written. The model lies where the linker script has it. */
#include "fk/err.h"
#include "flash_file.h"
#include "marks.h"
#include "semihost.h"
#include "session.h"

extern const uint8_t fk_model_image[];
extern const uint8_t fk_model_room[]; /* its address is a size */
extern uint8_t fk_work_free[], fk_work_end[], fk_ram_free[], fk_ram_end[];

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
    fk_flash flash;
    fk_flash_file file = {.handle = fk_host_open("flash.bin", FK_HOST_UPDATE), .geometry = &flash};
    const fk_session_port port = {&open, read_events, write_record, write_packet};
    const fk_session_board board = {
        .port = &port,
        .model = fk_model_image,
        .model_room = (size_t)fk_model_room,
        .flash = &flash,
        .work = fk_work_free,
        .work_size = (size_t)(fk_work_end - fk_work_free),
        .index = fk_ram_free,
        .index_size = (size_t)(fk_ram_end - fk_ram_free),
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
