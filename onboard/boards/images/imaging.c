/* The picture stages alone: one frame in, a JPEG file, a scaled picture or the screen's
 * figures out, so that they can be compared with the host's and their instructions counted.
 *
 * job.bin: eight little-endian words: the stage, then the frame's format, width, height and
 * bytes from row to row, then three settings of the stage. input.bin holds the frame,
 * output.bin gets the result. Markers enclose the stage (for scaling, all rows). */
#include "fk/bytes.h"
#include "fk/camera.h"
#include "fk/codec.h"
#include "fk/screen.h"
#include "host_files.h"
#include "marks.h"
#include "memory.h"

enum { STAGE_JPEG = 0, STAGE_SCALE = 1, STAGE_SCREEN = 2 };
enum { EXIT_JOB = 3, EXIT_INPUT, EXIT_ROOM, EXIT_STAGE, EXIT_OUTPUT };
enum { JOB_WORDS = 8, OUT_SIDE = 512 };

static __attribute__((section(".work"))) uint32_t scratch[OUT_SIDE * 3];

static int encode(const fk_frame *f, const uint32_t *settings, uint8_t *out, size_t cap)
{
    const fk_jpeg_config config = {(uint8_t)settings[0], (uint8_t)settings[1],
                                   (uint16_t)settings[2]};
    fk_mark_begin();
    const int size = fk_jpeg_encode(out, cap, f, &config, scratch, sizeof scratch);
    fk_mark_end();
    return size;
}

/* The whole frame, row by row, as the network pulls it. */
static int scale(const fk_frame *f, const uint32_t *settings, uint8_t *out, size_t cap)
{
    const uint16_t width = (uint16_t)settings[0], height = (uint16_t)settings[1];
    const uint8_t channels = (uint8_t)settings[2];
    if ((size_t)width * height * channels > cap) {
        return -1;
    }
    fk_scaling scaling;
    fk_mark_begin();
    int row = fk_camera_scale_begin(&scaling, f, NULL, width, height, channels, scratch,
                                    sizeof scratch / sizeof scratch[0]);
    int size = row < 0 ? row : 0;
    for (uint16_t y = 0; y < height && size >= 0; y++) {
        row = fk_camera_scale_row(&scaling, y, out + size);
        size = row < 0 ? row : size + row;
    }
    fk_mark_end();
    return size;
}

static int measure(const fk_frame *f, uint8_t *out)
{
    fk_screen_stats stats;
    fk_mark_begin();
    const int rc = fk_screen_measure(&stats, f, NULL, 0, (uint16_t *)(void *)scratch);
    fk_mark_end();
    out[0] = stats.mean;
    out[1] = stats.p5;
    out[2] = stats.p95;
    return rc < 0 ? rc : 3;
}

int main(void)
{
    uint8_t bytes[4 * JOB_WORDS];
    uint32_t job[JOB_WORDS];
    if (fk_host_read(fk_host_open("job.bin", FK_HOST_READ), bytes, sizeof bytes) !=
        (int)sizeof bytes) {
        return EXIT_JOB;
    }
    for (unsigned i = 0; i < JOB_WORDS; i++) {
        job[i] = fk_get_u32le(bytes + 4 * i);
    }
    const fk_board_memory memory = fk_board_lends();
    const size_t room = memory.work_size;
    const size_t size = (size_t)job[4] * job[3];
    if (size >= room) {
        return EXIT_ROOM;
    }
    if (fk_host_read(fk_host_open("input.bin", FK_HOST_READ), memory.work, size) != (int)size) {
        return EXIT_INPUT;
    }
    const fk_frame frame = {.data = memory.work, .size = size, .stride = job[4],
                            .width = (uint16_t)job[2], .height = (uint16_t)job[3],
                            .format = (uint8_t)job[1]};
    uint8_t *const out = memory.work + size;
    int made = -1;
    switch (job[0]) {
    case STAGE_JPEG: made = encode(&frame, job + 5, out, room - size); break;
    case STAGE_SCALE: made = scale(&frame, job + 5, out, room - size); break;
    case STAGE_SCREEN: made = measure(&frame, out); break;
    default: break;
    }
    if (made < 0) {
        return EXIT_STAGE;
    }
    const int file = fk_host_open("output.bin", FK_HOST_WRITE);
    return fk_host_write(file, out, (size_t)made) != 0 ? EXIT_OUTPUT : 0;
}
