/* Inline, because a call would be longer than what it does. */
#ifndef FK_STORE_ROOM_INLINE_H
#define FK_STORE_ROOM_INLINE_H

#include "fk/store.h"

/* Grains between payloads and records; 0 where no segment is open. */
static inline uint32_t fk_store_room(const fk_store_head *head)
{
    return (uint32_t)(head->top - head->place);
}

#endif
