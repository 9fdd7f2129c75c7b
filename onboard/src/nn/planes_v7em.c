/* Armv7E-M: see planes.h for the idea and planes.c for the twin in plain C. In
 * assembly for the same reason as pairs_v7em.c. */
#include "planes.h"

#if defined(FK_V7EM)

#define UNUSED __attribute__((unused)) /* the assembly finds them in registers */

/* Stride 1. A row of the window for four outputs: neighbours A, B, C in r9..r11,
 * weights w0 w1 in r7 and w1 w2 in r8, sums in r3..r6. */
#define ROW_1(row, weights)                                                                        \
    "ldm    " row ", {r9, r10, r11}\n"                                                             \
    "adds   " row ", #8\n"                                                                         \
    "ldrd   r7, r8, [lr, " weights "]\n"
#define FIRST_1                                                                                    \
    "smuad  r3, r9, r7\n"                                                                          \
    "smultb r4, r9, r7\n"                                                                          \
    "smuad  r5, r10, r7\n"                                                                         \
    "smultb r6, r10, r7\n"
#define NEXT_1                                                                                     \
    "smlad  r3, r9, r7, r3\n"                                                                      \
    "smlatb r4, r9, r7, r4\n"                                                                      \
    "smlad  r5, r10, r7, r5\n"                                                                     \
    "smlatb r6, r10, r7, r6\n"
#define REST_1                                                                                     \
    "smlabt r3, r10, r8, r3\n"                                                                     \
    "smlad  r4, r10, r8, r4\n"                                                                     \
    "smlabt r5, r11, r8, r5\n"                                                                     \
    "smlad  r6, r11, r8, r6\n"

/* The same for the last one or two outputs of a row. */
#define ROW_1_TAIL(row, weights)                                                                   \
    "ldrd   r9, r10, [" row "]\n"                                                                  \
    "ldrd   r7, r8, [lr, " weights "]\n"

/* Stride 2, two outputs: sums in r3, r4. */
#define FIRST_2                                                                                    \
    "smuad  r3, r9, r7\n"                                                                          \
    "smuad  r4, r10, r7\n"
#define NEXT_2                                                                                     \
    "smlad  r3, r9, r7, r3\n"                                                                      \
    "smlad  r4, r10, r7, r4\n"
#define REST_2                                                                                     \
    "smlabt r3, r10, r8, r3\n"                                                                     \
    "smlabt r4, r11, r8, r4\n"

/* The row of the channel table in r7..r10, one output from its sum. */
#define TABLE                                                                                      \
    "ldrd   r7, r8, [lr, #24]\n"                                                                   \
    "ldrd   r9, r10, [lr, #32]\n"
#define FINISH(sum)                                                                                \
    "add    r11, r7, " sum ", lsl #1\n"                                                            \
    "add    " sum ", r9, r11, asr #31\n"                                                           \
    "smmlar r11, r11, r8, " sum "\n"                                                               \
    "asr    r11, r11, r10\n"                                                                       \
    "ssat   " sum ", #8, r11\n"

/* Frame: rows 0..2, pitch, stream, channels left, width, out, channels, width
 * left. The first eight are the job. */
#define ENTER                                                                                      \
    "push   {r4-r11, lr}\n"                                                                        \
    "sub    sp, #44\n"                                                                             \
    "ldm    r0, {r1-r8}\n"                                                                         \
    "mov    r9, r6\n"                                                                              \
    "stm    sp, {r1-r9}\n"
#define LEAVE                                                                                      \
    "add    sp, #44\n"                                                                             \
    "pop    {r4-r11, pc}\n"

/* From a channel to the next; r12 is where its first output goes. */
#define CHANNEL                                                                                    \
    "ldm    sp, {r0, r1, r2, r3, lr}\n"                                                            \
    "ldrd   r6, r12, [sp, #24]\n"                                                                  \
    "str    r6, [sp, #36]\n"                                                                       \
    "add    r4, r0, r3\n"                                                                          \
    "add    r5, r1, r3\n"                                                                          \
    "add    r6, r2, r3\n"                                                                          \
    "stm    sp, {r4, r5, r6}\n"                                                                    \
    "add    r4, lr, #40\n"                                                                         \
    "str    r4, [sp, #16]\n"                                                                       \
    "add    r4, r12, #1\n"                                                                         \
    "str    r4, [sp, #28]\n"
#define NEXT_CHANNEL                                                                               \
    "ldr    r4, [sp, #20]\n"                                                                       \
    "subs   r4, r4, #1\n"                                                                          \
    "str    r4, [sp, #20]\n"                                                                       \
    "bne    1b\n"

__attribute__((naked)) void fk_planes_row_1(UNUSED const fk_planes_job *job)
{
    __asm__ volatile(ENTER
                     "1:\n" CHANNEL
                     "ldr    r7, [sp, #36]\n"
                     "cmp    r7, #2\n"
                     "ble    4f\n"
                     "2:\n" /* four outputs */
                     ROW_1("r0", "#0") FIRST_1 REST_1
                     ROW_1("r1", "#8") NEXT_1 REST_1
                     ROW_1("r2", "#16") NEXT_1 REST_1
                     TABLE FINISH("r3") FINISH("r4") FINISH("r5") FINISH("r6")
                     "ldrd   r11, r7, [sp, #32]\n"
                     "subs   r7, r7, #4\n"
                     "str    r7, [sp, #36]\n"
                     "strb   r3, [r12]\n"
                     "strb   r4, [r12, r11]\n"
                     "strb   r5, [r12, r11, lsl #1]\n"
                     "add    r12, r12, r11, lsl #1\n"
                     "blt    3f\n" /* three were left */
                     "strb   r6, [r12, r11]\n"
                     "add    r12, r12, r11, lsl #1\n"
                     "beq    3f\n"
                     "cmp    r7, #2\n"
                     "bgt    2b\n"
                     "4:\n" /* one or two outputs */
                     ROW_1_TAIL("r0", "#0")
                     "smuad  r3, r9, r7\n"
                     "smultb r4, r9, r7\n"
                     "smlabt r3, r10, r8, r3\n"
                     "smlad  r4, r10, r8, r4\n"
                     ROW_1_TAIL("r1", "#8")
                     "smlad  r3, r9, r7, r3\n"
                     "smlatb r4, r9, r7, r4\n"
                     "smlabt r3, r10, r8, r3\n"
                     "smlad  r4, r10, r8, r4\n"
                     ROW_1_TAIL("r2", "#16")
                     "smlad  r3, r9, r7, r3\n"
                     "smlatb r4, r9, r7, r4\n"
                     "smlabt r3, r10, r8, r3\n"
                     "smlad  r4, r10, r8, r4\n"
                     TABLE FINISH("r3") FINISH("r4")
                     "ldrd   r11, r7, [sp, #32]\n"
                     "strb   r3, [r12]\n"
                     "cmp    r7, #1\n"
                     "it     ne\n"
                     "strbne r4, [r12, r11]\n"
                     "3:\n" NEXT_CHANNEL LEAVE);
}

__attribute__((naked)) void fk_planes_row_2(UNUSED const fk_planes_job *job)
{
    __asm__ volatile(ENTER
                     "1:\n" CHANNEL
                     "2:\n" /* two outputs */
                     ROW_1("r0", "#0") FIRST_2 REST_2
                     ROW_1("r1", "#8") NEXT_2 REST_2
                     ROW_1("r2", "#16") NEXT_2 REST_2
                     TABLE FINISH("r3") FINISH("r4")
                     "ldrd   r11, r7, [sp, #32]\n"
                     "subs   r7, r7, #2\n"
                     "str    r7, [sp, #36]\n"
                     "strb   r3, [r12]\n"
                     "blt    3f\n" /* one was left */
                     "strb   r4, [r12, r11]\n"
                     "add    r12, r12, r11, lsl #1\n"
                     "bne    2b\n"
                     "3:\n" NEXT_CHANNEL LEAVE);
}

/* r6..r9: channels 0 and 2, then 1 and 3, of both pixels. */
__attribute__((naked)) void fk_planes_sort(UNUSED uint8_t *plane, UNUSED const int8_t *in,
                                           UNUSED uint32_t channels, UNUSED uint32_t pitch,
                                           UNUSED uint32_t pairs)
{
    __asm__ volatile("push   {r4-r9, lr}\n"
                     "ldr    lr, [sp, #28]\n"
                     "add    r12, r3, r3, lsl #1\n"
                     "1:\n"
                     "ldr    r4, [r1]\n"
                     "ldr    r5, [r1, r2]\n"
                     "add    r1, r1, r2, lsl #1\n"
                     "sxtb16 r6, r4\n"
                     "sxtb16 r7, r5\n"
                     "sxtb16 r8, r4, ror #8\n"
                     "sxtb16 r9, r5, ror #8\n"
                     "pkhbt  r4, r6, r7, lsl #16\n"
                     "pkhtb  r5, r7, r6, asr #16\n"
                     "pkhbt  r6, r8, r9, lsl #16\n"
                     "pkhtb  r7, r9, r8, asr #16\n"
                     "str    r6, [r0, r3]\n"
                     "str    r5, [r0, r3, lsl #1]\n"
                     "str    r7, [r0, r12]\n"
                     "str    r4, [r0], #4\n"
                     "subs   lr, lr, #1\n"
                     "bne    1b\n"
                     "pop    {r4-r9, pc}\n");
}

#endif
