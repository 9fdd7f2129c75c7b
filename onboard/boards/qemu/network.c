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
#include "marks.h"
#include "semihost.h"

extern const uint8_t fk_model_image[];
extern uint8_t fk_work_free[], fk_work_end[];

enum { OUTPUTS_MAX = 4, JOB_WORDS = 4 + OUTPUTS_MAX };
enum { EXIT_JOB = 3, EXIT_MODEL, EXIT_ARENA, EXIT_INPUT, EXIT_RUN, EXIT_OUTPUT };

enum { WHOLE = 0, STEPWISE = 1, TENSORS = 2 }; /* modes */

static int write_tensor(const fk_model *model, unsigned index, int out)
{
    size_t size;
    const int8_t *bytes = fk_model_written(model, fk_work_free, index, &size);
    return size == 0 ? 0 : fk_host_write(out, (const uint8_t *)bytes, (uint32_t)size);
}

static int run(const fk_model *model, size_t arena_size, uint32_t mode, int out)
{
    int rc = 0;
    if (mode == WHOLE) {
        fk_mark_begin();
        rc = fk_model_run(model, fk_work_free, arena_size);
        fk_mark_end();
        return rc;
    }
    for (unsigned i = 0; rc >= 0 && i < model->operator_count; i++) {
        fk_mark_begin();
        rc = fk_model_step(model, fk_work_free, arena_size, i);
        fk_mark_end();
        if (rc >= 0 && mode == TENSORS && write_tensor(model, i, out) != 0) {
            rc = FK_ERR_IO;
        }
    }
    return rc;
}

static int write_outputs(const fk_model *model, const uint32_t *sizes, int out)
{
    for (unsigned i = 0; i < model->output_count && i < OUTPUTS_MAX; i++) {
        const int8_t *bytes = fk_model_output(model, fk_work_free, i);
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

    fk_model model;
    if (fk_model_load(&model, fk_model_image, job[0]) < 0) {
        return EXIT_MODEL;
    }
    const size_t arena_size = (size_t)(fk_work_end - fk_work_free);
    if (fk_model_run_size(&model) > arena_size) {
        return EXIT_ARENA;
    }
    const int in = fk_host_open("input.bin", FK_HOST_READ);
    const int out = fk_host_open("output.bin", FK_HOST_WRITE);
    for (uint32_t i = 0; i < job[1]; i++) {
        uint8_t *input = (uint8_t *)fk_model_input(&model, fk_work_free);
        if (fk_host_read(in, input, job[2]) != (int)job[2]) {
            return EXIT_INPUT;
        }
        if (run(&model, arena_size, job[3], out) < 0) {
            return EXIT_RUN;
        }
        const int rc = write_outputs(&model, job + 4, out);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}
