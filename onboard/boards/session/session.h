/* Plays a recorded session to the flight code: the same on every board.
 *
 * A session is a stream of bytes: a setup, then events in the order in which
 * they happen. A frame is taken; the link is up; a telecommand comes. What the flight code makes of
 * them, decision records and packets, is handed to the port; the flash is the
 * board's own. Equal sessions give equal bytes on every board, the host
 * included: that is how they are compared.
 *
 * All integers are big-endian.
 *   setup    FK_SESSION_SETUP_SIZE bytes, then the policy
 *   event    FK_SESSION_EVENT_SIZE bytes, followed by a frame's pixels or a command's packet
 *   end      an event of kind FK_SESSION_END */
#ifndef FK_SESSION_H
#define FK_SESSION_H

#include "fk/pipeline.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { /* the setup: offset of each field */
    FK_SESSION_MAGIC = 0,          /* u32: FK_SESSION_MAGIC_VALUE                     */
    FK_SESSION_MODEL_SIZE = 4,     /* u32: bytes of the model image                   */
    FK_SESSION_POLICY_SIZE = 8,    /* u16: bytes of the policy that follows           */
    FK_SESSION_SLOT_COUNT = 10,    /* u16: and so on as in fk_store_config            */
    FK_SESSION_SEGMENT_SIZE = 12,  /* u32: as in fk_flash                             */
    FK_SESSION_SEGMENT_COUNT = 16, /* u32                                             */
    FK_SESSION_PROGRAM_UNIT = 20,  /* u16                                             */
    FK_SESSION_WEAR_SPREAD = 22,   /* u16                                             */
    FK_SESSION_PROFILE = 24,       /* u8                                              */
    FK_SESSION_LOG_SEGMENTS = 25,  /* u8                                              */
    FK_SESSION_SPARE_SEGMENTS = 26,/* u8                                              */
    FK_SESSION_FILL = 27,          /* u8                                              */
    FK_SESSION_SETUP_SIZE = 32,
    FK_SESSION_MAGIC_VALUE = 0x464B5331, /* "FKS1" */

    /* an event */
    FK_SESSION_KIND = 0,   /* u8: one of the next four                               */
    FK_SESSION_END = 0,
    FK_SESSION_FRAME = 1,  /* as many pixels follow as the policy's camera has       */
    FK_SESSION_PASS = 2,
    FK_SESSION_COMMAND = 3,
    FK_SESSION_BUDGET = 4, /* u32: bytes that the pass can carry, 0 for all that waits;
                              or those of the command's packet that follow           */
    FK_SESSION_TIME = 8,   /* u48: of a frame, see fk_time                           */
    FK_SESSION_EVENT_SIZE = 16
};

/* What a board gives and takes; each returns 0 or a negative fk_err. */
typedef struct {
    void *ctx;
    int (*read_events)(void *ctx, uint8_t *out, size_t size); /* exactly the next `size` bytes */
    int (*write_record)(void *ctx, const uint8_t *bytes, size_t size);
    int (*write_packet)(void *ctx, const uint8_t *bytes, size_t size);
} fk_session_port;

/* Memory that the board lends. */
typedef struct {
    const fk_session_port *port;
    const uint8_t *model;   /* the image, aligned to FK_IMAGE_ALIGN                          */
    size_t model_room;      /* bytes readable there                                         */
    fk_flash *flash;        /* with its functions; the setup brings its geometry             */
    uint8_t *work;          /* aligned to FK_PIPELINE_ALIGN: frame buffer, then the pipeline's */
    size_t work_size;       /*   work area                                                  */
    uint8_t *index;         /* aligned to 4: the store's tables                             */
    size_t index_size;
} fk_session_board;

/* The state; large, so it is not kept on the stack. */
typedef struct {
    const fk_session_board *board;
    fk_pipeline pipeline;
    fk_pipeline_config config;
    fk_store_config store;
    uint8_t policy[512];
    uint8_t packet[FK_CHUNK_SIZE_MAX + FK_CHUNK_PACKET_REST];
    size_t frame_size;      /* bytes; the frame buffer is at the start of board->work        */
} fk_session;

/* Plays the session to its end. Returns how many frames it had, FK_ERR_CORRUPT
 * for a stream that is no session, FK_ERR_TOOSMALL where the board's memory does
 * not suffice, or what the pipeline or the port answered. */
int fk_session_run(fk_session *s, const fk_session_board *board);

#ifdef __cplusplus
}
#endif

#endif
