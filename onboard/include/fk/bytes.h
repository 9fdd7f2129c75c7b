/* Fixed-width integers to and from bytes; the only way bytes become numbers
 * here. A struct is never laid over flash or wire. `be` is big-endian (the
 * wire and the flash log), `le` little-endian (the model image, which is
 * read in place by little-endian cores). */
#ifndef FK_BYTES_H
#define FK_BYTES_H

#include <stdint.h>

static inline void fk_put_u16be(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void fk_put_u32be(uint8_t *p, uint32_t v)
{
    fk_put_u16be(p, v >> 16);
    fk_put_u16be(p + 2, v);
}

static inline void fk_put_u48be(uint8_t *p, uint64_t v)
{
    fk_put_u16be(p, (uint32_t)(v >> 32));
    fk_put_u32be(p + 2, (uint32_t)v);
}

static inline uint16_t fk_get_u16be(const uint8_t *p)
{
    return (uint16_t)((p[0] << 8) | p[1]);
}

static inline uint32_t fk_get_u32be(const uint8_t *p)
{
    return ((uint32_t)fk_get_u16be(p) << 16) | fk_get_u16be(p + 2);
}

static inline uint64_t fk_get_u48be(const uint8_t *p)
{
    return ((uint64_t)fk_get_u16be(p) << 32) | fk_get_u32be(p + 2);
}

static inline uint16_t fk_get_u16le(const uint8_t *p)
{
    return (uint16_t)(p[0] | (p[1] << 8));
}

static inline uint32_t fk_get_u32le(const uint8_t *p)
{
    return fk_get_u16le(p) | ((uint32_t)fk_get_u16le(p + 2) << 16);
}

static inline int32_t fk_get_i32le(const uint8_t *p)
{
    return (int32_t)fk_get_u32le(p);
}

#endif
