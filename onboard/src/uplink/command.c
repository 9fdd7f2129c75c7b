/* From a packet's bytes to what is asked for. */
#include "fk/bytes.h"
#include "fk/crc.h"
#include "fk/err.h"
#include "fk/uplink.h"
#include "fk/wire.h"

_Static_assert(FK_COMMAND_REST == FK_TC_BYTES + FK_TRAILER_BYTES, "a command is header, data and trailer");
_Static_assert(FK_COMMAND_SIZE_MAX >= FK_COMMAND_REST + FK_POLICY_BYTES, "the longest command fits");
_Static_assert(FK_COMMAND_PING == FK_PACKET_SUBTYPE_PING && FK_COMMAND_RESEND == FK_PACKET_SUBTYPE_RESEND &&
                   FK_COMMAND_DELETE == FK_PACKET_SUBTYPE_DELETE &&
                   FK_COMMAND_POLICY == FK_PACKET_SUBTYPE_POLICY,
               "a command is named by its packet");

enum {
    APID_MASK = 0x7FF,
    COUNT_MASK = FK_PACKET_SEQUENCE_MODULO - 1,
    PUS_MASK = 0xF0 /* the version; the rest asks for acknowledgements, and a report comes anyway */
};

/* Whole, undamaged, and a telecommand. */
static int is_command(const uint8_t *packet, size_t size)
{
    return size >= FK_COMMAND_REST && size <= FK_COMMAND_SIZE_MAX &&
           (fk_get_u16be(packet + FK_TC_PACKET_ID) & ~(unsigned)APID_MASK) == FK_PACKET_ID_TC &&
           (fk_get_u16be(packet + FK_TC_SEQUENCE) & ~(unsigned)COUNT_MASK) == FK_PACKET_UNSEGMENTED &&
           fk_get_u16be(packet + FK_TC_LENGTH) == size - FK_PACKET_PRIMARY - 1u &&
           fk_crc16(FK_CRC16_INIT, packet, size) == 0;
}

static int read_data(fk_command *out, const uint8_t *data, size_t size)
{
    switch (out->subtype) {
    case FK_COMMAND_PING:
        return size == 0 ? 0 : FK_ERR_INVAL;
    case FK_COMMAND_RESEND:
        if (size != FK_RESEND_BYTES) {
            return FK_ERR_INVAL;
        }
        out->frame_id = fk_get_u32be(data + FK_RESEND_FRAME_ID);
        out->first = fk_get_u32be(data + FK_RESEND_FIRST);
        out->last = fk_get_u32be(data + FK_RESEND_LAST);
        return out->first <= out->last ? 0 : FK_ERR_INVAL;
    case FK_COMMAND_DELETE:
        if (size != FK_DELETE_BYTES) {
            return FK_ERR_INVAL;
        }
        out->frame_id = fk_get_u32be(data + FK_DELETE_FRAME_ID);
        return 0;
    case FK_COMMAND_POLICY:
        out->policy = data;
        out->policy_size = size;
        return size == FK_POLICY_BYTES ? 0 : FK_ERR_INVAL;
    default:
        return FK_ERR_UNSUPPORTED;
    }
}

int fk_command_parse(fk_command *out, const uint8_t *packet, size_t size, uint16_t apid)
{
    *out = (fk_command){0};
    if (!is_command(packet, size)) {
        return FK_ERR_CORRUPT;
    }
    const uint16_t packet_id = fk_get_u16be(packet + FK_TC_PACKET_ID);
    if ((packet_id & APID_MASK) != apid) {
        return FK_ERR_NOENT;
    }
    out->packet_id = packet_id;
    out->sequence = fk_get_u16be(packet + FK_TC_SEQUENCE);
    out->subtype = packet[FK_TC_SUBTYPE];
    if ((packet[FK_TC_PUS] & PUS_MASK) != FK_PACKET_PUS || packet[FK_TC_SERVICE] != FK_PACKET_SERVICE) {
        return FK_ERR_UNSUPPORTED;
    }
    return read_data(out, packet + FK_TC_BYTES, size - FK_COMMAND_REST);
}
