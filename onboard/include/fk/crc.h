/* The two checksums of the project. Both can be chained: pass the last result
 * as `crc` to go on; start with the FK_CRC*_INIT value. */
#ifndef FK_CRC_H
#define FK_CRC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FK_CRC16_INIT = 0xFFFF, FK_CRC32_INIT = 0 };

/* CRC-16/IBM-3740 (the CCSDS and ECSS packet error control): polynomial
 * 0x1021, initial value 0xFFFF, not reflected, no final inversion. */
uint16_t fk_crc16(uint16_t crc, const uint8_t *data, size_t size);

/* CRC-32/ISO-HDLC (that of zlib and Ethernet): polynomial 0x04C11DB7
 * reflected, inversions inside, so that 0 is the value to start from. */
uint32_t fk_crc32(uint32_t crc, const uint8_t *data, size_t size);

#ifdef __cplusplus
}
#endif

#endif
