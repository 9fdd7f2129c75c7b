/* Not there yet: every call says so. */
#include "fk/store.h"

#include "fk/err.h"

#define NOT_YET(signature) int signature { return FK_ERR_UNSUPPORTED; }
NOT_YET(fk_store_mount(fk_store *s, const fk_store_config *c))
NOT_YET(fk_store_mount_begin(fk_store *s, const fk_store_config *c))
NOT_YET(fk_store_mount_step(fk_store *s, uint32_t n))
NOT_YET(fk_store_append(fk_store *s, const fk_frame_meta *m, const uint8_t *d, size_t n))
NOT_YET(fk_store_read(fk_store *s, uint32_t id, uint32_t at, uint8_t *out, size_t n))
NOT_YET(fk_store_find(fk_store *s, uint32_t id, fk_frame_meta *m))
NOT_YET(fk_store_best(fk_store *s, fk_frame_meta *m))
NOT_YET(fk_store_list(fk_store *s, uint32_t after, fk_frame_meta *m))
NOT_YET(fk_store_mark_sent(fk_store *s, uint32_t id))
NOT_YET(fk_store_delete(fk_store *s, uint32_t id))
NOT_YET(fk_store_sync(fk_store *s))
NOT_YET(fk_store_idle(fk_store *s))
NOT_YET(fk_store_log_append(fk_store *s, const uint8_t *r, size_t n))
NOT_YET(fk_store_log_next(fk_store *s, uint8_t *out, size_t cap))
NOT_YET(fk_store_log_sent(fk_store *s))
void fk_store_log_rewind(fk_store *s) { (void)s; }
uint32_t fk_store_next_id(const fk_store *s) { (void)s; return 0; }
void fk_store_stats(const fk_store *s, fk_store_report *out) { (void)s; (void)out; }
