#include "memory.h"

/* From the linker script. */
extern const uint8_t fk_model_image[]; /* filled by the emulator */
extern const uint8_t fk_model_room[];  /* its address is a size  */
extern uint8_t fk_work_free[], fk_work_end[], fk_ram_free[], fk_ram_end[];

fk_board_memory fk_board_lends(void)
{
    return (fk_board_memory){
        .model = fk_model_image,
        .model_room = (size_t)fk_model_room,
        .work = fk_work_free,
        .work_size = (size_t)(fk_work_end - fk_work_free),
        .index = fk_ram_free,
        .index_size = (size_t)(fk_ram_end - fk_ram_free),
    };
}
