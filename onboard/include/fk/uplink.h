/* Telecommands: what the ground asks of the camera, one CCSDS packet each.
 *
 * A packet is taken whole or refused: one with a byte wrong, or for somebody
 * else, is nobody's command. What became of a command is its report, a record
 * among the decisions. See docs/ICD.md for the bytes. Nothing here asks who
 * sent a packet: the link below must (CCSDS 355.0-B, or a closed line). */
#ifndef FK_UPLINK_H
#define FK_UPLINK_H

#include <stddef.h>
#include <stdint.h>

#include "fk/frame.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FK_COMMAND_REST = 13, /* bytes of a command's packet beside its data                */
    FK_COMMAND_SIZE_MAX = 512 /* a longer packet is no command                          */
};

typedef enum {
    FK_COMMAND_PING   = 64, /* answer                                                   */
    FK_COMMAND_RESEND = 65, /* send bytes of a picture again                            */
    FK_COMMAND_DELETE = 66, /* forget a frame for good                                  */
    FK_COMMAND_POLICY = 67  /* judge by these rules until the next reset                */
} fk_command_kind;

typedef struct {
    uint16_t packet_id, sequence; /* as in the packet: by these a report names it; 0 both
                                     where no command was found                           */
    uint8_t  subtype;             /* an fk_command_kind, or what is refused               */
    uint32_t frame_id;            /* of RESEND and DELETE                                */
    uint32_t first, last;         /* of RESEND: bytes of the picture, first <= last       */
    const uint8_t *policy;        /* of POLICY: in the packet                             */
    size_t   policy_size;
} fk_command;

/* Reads a packet of `size` bytes sent to `apid`. Returns 0; FK_ERR_CORRUPT for what is
 * no whole, undamaged telecommand and FK_ERR_NOENT for one to another APID, with
 * out->packet_id 0: nobody is to be told; FK_ERR_UNSUPPORTED for a command that is
 * not known and FK_ERR_INVAL for one whose data cannot be meant, both to be reported. */
int fk_command_parse(fk_command *out, const uint8_t *packet, size_t size, uint16_t apid);

#ifdef __cplusplus
}
#endif

#endif
