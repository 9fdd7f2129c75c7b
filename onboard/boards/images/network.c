/* A model alone: inputs in, outputs out, so that its results can be compared
 * and its instructions counted without the rest of the flight code.
 *
 * job.bin: eight little-endian words: bytes of the model image, number of
 * inputs, bytes of an input, the mode, then bytes of up to four outputs.
 * input.bin holds the inputs, output.bin gets for each of them all outputs; in
 * mode TENSORS first what each operator wrote. Markers enclose each run, or
 * each operator. */
#include "fk/bytes.h"
#include "fk/nn.h"
#include "host_files.h"
#include "marks.h"
#include "memory.h"

enum { OUTPUTS_MAX = 4, JOB_WORDS = 4 + OUTPUTS_MAX };
enum { EXIT_JOB = 3, EXIT_MODEL, EXIT_ARENA, EXIT_INPUT, EXIT_RUN, EXIT_OUTPUT };

enum { WHOLE = 0, STEPWISE = 1, TENSORS = 2 }; /* modes */

typedef struct {
    fk_model model;
    void *arena;
    size_t arena_size;
} network;

static int write_tensor(const network *net, unsigned index, int out)
{
    size_t size;
    const int8_t *bytes = fk_model_written(&net->model, net->arena, index, &size);
    return size == 0 ? 0 : fk_host_write(out, (const uint8_t *)bytes, (uint32_t)size);
}

static int run(const network *net, uint32_t mode, int out)
{
    int rc = 0;
    if (mode == WHOLE) {
        fk_mark_begin();
        rc = fk_model_run(&net->model, net->arena, net->arena_size);
        fk_mark_end();
        return rc;
    }
    for (unsigned i = 0; rc >= 0 && i < net->model.operator_count; i++) {
        fk_mark_begin();
        rc = fk_model_step(&net->model, net->arena, net->arena_size, i);
        fk_mark_end();
        if (rc >= 0 && mode == TENSORS && write_tensor(net, i, out) != 0) {
            rc = FK_ERR_IO;
        }
    }
    return rc;
}

static int write_outputs(const network *net, const uint32_t *sizes, int out)
{
    for (unsigned i = 0; i < net->model.output_count && i < OUTPUTS_MAX; i++) {
        const int8_t *bytes = fk_model_output(&net->model, net->arena, i);
        if (fk_host_write(out, (const uint8_t *)bytes, sizes[i]) != 0) {
            return EXIT_OUTPUT;
        }
    }
    return 0;
}

int main(void)
{
    uint8_t bytes[4 * JOB_WORDS];
    uint32_t job[JOB_WORDS];
    const int file = fk_host_open("job.bin", FK_HOST_READ);
    if (fk_host_read(file, bytes, sizeof bytes) != (int)sizeof bytes) {
        return EXIT_JOB;
    }
    for (unsigned i = 0; i < JOB_WORDS; i++) {
        job[i] = fk_get_u32le(bytes + 4 * i);
    }

    const fk_board_memory memory = fk_board_lends();
    network net = {.arena = memory.work, .arena_size = memory.work_size};
    if (job[0] > memory.model_room || fk_model_load(&net.model, memory.model, job[0]) < 0) {
        return EXIT_MODEL;
    }
    if (fk_model_run_size(&net.model) > net.arena_size) {
        return EXIT_ARENA;
    }
    const int in = fk_host_open("input.bin", FK_HOST_READ);
    const int out = fk_host_open("output.bin", FK_HOST_WRITE);
    for (uint32_t i = 0; i < job[1]; i++) {
        uint8_t *input = (uint8_t *)fk_model_input(&net.model, net.arena);
        if (fk_host_read(in, input, job[2]) != (int)job[2]) {
            return EXIT_INPUT;
        }
        if (run(&net, job[3], out) < 0) {
            return EXIT_RUN;
        }
        const int rc = write_outputs(&net, job + 4, out);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}
