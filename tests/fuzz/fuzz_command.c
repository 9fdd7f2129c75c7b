/* A packet from a stranger, read as a command; a policy in it as well. Lengths and CRCs are
 * made right in three of four inputs, so that what they hide is tried. */
#include <stdlib.h>
#include <string.h>

#include "fk/bytes.h"
#include "fk/crc.h"
#include "fk/err.h"
#include "fk/policy.h"
#include "fk/uplink.h"
#include "fk/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { APID = 100 };

static void make_right(uint8_t *packet, size_t size)
{
    const size_t policy_end = FK_TC_BYTES + FK_POLICY_BYTES;

    if (size < FK_COMMAND_REST) {
        return;
    }
    if (size == FK_COMMAND_REST + FK_POLICY_BYTES) {
        fk_put_u16be(packet + policy_end - 2,
                     fk_crc16(FK_CRC16_INIT, packet + FK_TC_BYTES, FK_POLICY_CRC16));
    }
    fk_put_u16be(packet + FK_TC_LENGTH, (uint32_t)(size - FK_PACKET_PRIMARY - 1u));
    fk_put_u16be(packet + size - 2, fk_crc16(FK_CRC16_INIT, packet, size - 2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fk_command command;
    fk_policy policy;
    uint8_t *packet = malloc(size ? size : 1); /* of just this size: ASan sees every byte beyond */

    memcpy(packet, data, size);
    if (size && data[size - 1] % 4) {
        make_right(packet, size);
    }
    const int err = fk_command_parse(&command, packet, size, APID);
    if ((err == FK_ERR_CORRUPT || err == FK_ERR_NOENT) != (command.packet_id == 0)) {
        abort(); /* it would be answered, or left without an answer */
    }
    if (err == 0 && command.subtype == FK_COMMAND_POLICY) {
        (void)fk_policy_parse(&policy, command.policy, command.policy_size);
    }
    free(packet);
    return 0;
}
