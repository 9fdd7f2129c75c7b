#include "memory.h"

#include "fk/nn.h"
#include "fk/pipeline.h"
#include "host_files.h"

/* As on the large emulated boards; the model is read from model.fkm in the working directory. */
enum { MODEL = 8 << 20, WORK = 8 << 20, INDEX = 1 << 20 };

static _Alignas(FK_IMAGE_ALIGN) uint8_t model[MODEL];
static _Alignas(FK_PIPELINE_ALIGN) uint8_t work[WORK];
static _Alignas(FK_PIPELINE_ALIGN) uint8_t tables[INDEX];

fk_board_memory fk_board_lends(void)
{
    const int file = fk_host_open("model.fkm", FK_HOST_READ);
    const int size = file < 0 ? 0 : fk_host_read(file, model, sizeof model);
    if (size <= 0) {
        fk_host_print("model.fkm is not here; run it in the folder of a session. ");
    }
    return (fk_board_memory){
        .model = model,
        .model_room = size < 0 ? 0 : (size_t)size,
        .work = work,
        .work_size = sizeof work,
        .index = tables,
        .index_size = sizeof tables,
    };
}
