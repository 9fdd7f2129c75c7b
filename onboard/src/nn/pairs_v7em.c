/* Armv7E-M: see pairs.h for the arithmetic and pairs.c for the twin in plain C.
 *
 * Written in assembly because every register is in use: six sums, three inputs,
 * two words of weights, two pointers and a counter leave none to the compiler,
 * which spills in the loop that matters. */
#include "pairs.h"

#if defined(FK_V7EM)

#define UNUSED __attribute__((unused)) /* the assembly finds them in registers */

/* Half a step (two taps, two channels, three pixels) with the weights in `w`:
 * one load, six products, one widening. */
#define HALF_STEP(w)                                                                               \
    "ldm    r0!, {r8, r9, r10}\n"                                                                  \
    "smlad  r5, r8, " w ", r5\n"                                                                   \
    "smlad  r6, r9, " w ", r6\n"                                                                   \
    "smlad  r7, r10, " w ", r7\n"                                                                  \
    "sxtb16 " w ", " w "\n"                                                                        \
    "smlad  r2, r8, " w ", r2\n"                                                                   \
    "smlad  r3, r9, " w ", r3\n"                                                                   \
    "smlad  r4, r10, " w ", r4\n"

#define STEP                                                                                       \
    "ldrd   r11, r12, [r1], #8\n" HALF_STEP("r11") HALF_STEP("r12")

/* One output from its sum, with a row of the channel table in r8..r11. */
#define FINISH(sum, twice, scratch)                                                                \
    "add    r12, r8, " sum ", " twice "\n"                                                         \
    "add    " scratch ", r10, r12, asr #31\n"                                                      \
    "smmlar r12, r12, r9, " scratch "\n"                                                           \
    "asr    r12, r12, r11\n"                                                                       \
    "ssat   " sum ", #8, r12\n"

/* A pair of channels of three pixels, to r0; r8 is the stride. */
#define STORE_3                                                                                    \
    "bfi    r2, r5, #8, #8\n"                                                                      \
    "bfi    r3, r6, #8, #8\n"                                                                      \
    "bfi    r4, r7, #8, #8\n"                                                                      \
    "strh   r3, [r0, r8]\n"                                                                        \
    "strh   r4, [r0, r8, lsl #1]\n"                                                                \
    "strh   r2, [r0], #2\n"

/* Frame: x, out, steps, pairs, stride. Sums of S0 in r2..r4, of S in r5..r7. */
__attribute__((naked)) void fk_pairs_block_3(UNUSED const int16_t *x, UNUSED const uint8_t *stream,
                                             UNUSED int8_t *out, UNUSED const fk_pairs_job *job)
{
    __asm__ volatile("push   {r4-r11, lr}\n"
                     "sub    sp, #20\n"
                     "ldm    r3, {r4, r5, r6}\n"
                     "mov    r3, r2\n"
                     "mov    r2, r0\n"
                     "stm    sp, {r2, r3, r4, r5, r6}\n"
                     "1:\n" /* a pair of channels */
                     "ldr    r0, [sp]\n"
                     "ldr    lr, [sp, #8]\n"
                     "movs   r2, #0\n"
                     "movs   r3, #0\n"
                     "movs   r4, #0\n"
                     "movs   r5, #0\n"
                     "movs   r6, #0\n"
                     "movs   r7, #0\n"
                     "lsrs   lr, lr, #1\n" /* two steps at a time, of an odd number one first */
                     "it     cs\n"
                     "addcs  lr, lr, #1\n"
                     "bcs    3f\n"
                     "2:\n" STEP "3:\n" STEP
                     "subs   lr, lr, #1\n"
                     "bne    2b\n"
                     "sub    r5, r5, r2\n"
                     "sub    r6, r6, r3\n"
                     "sub    r7, r7, r4\n"
                     "ldm    r1!, {r8, r9, r10, r11}\n"
                     FINISH("r2", "lsl #1", "lr")
                     FINISH("r3", "lsl #1", "lr")
                     FINISH("r4", "lsl #1", "lr")
                     "ldm    r1!, {r8, r9, r10, r11}\n"
                     FINISH("r5", "asr #7", "lr")
                     FINISH("r6", "asr #7", "lr")
                     FINISH("r7", "asr #7", "lr")
                     "ldr    r0, [sp, #4]\n"
                     "ldrd   lr, r8, [sp, #12]\n"
                     "subs   lr, lr, #1\n"
                     "str    lr, [sp, #12]\n"
                     "beq    4f\n" STORE_3
                     "str    r0, [sp, #4]\n"
                     "b      1b\n"
                     "4:\n" /* the last pair, of which an odd number of channels has one */
                     "tst    r8, #1\n"
                     "bne    5f\n" STORE_3
                     "add    sp, #20\n"
                     "pop    {r4-r11, pc}\n"
                     "5:\n"
                     "strb   r2, [r0]\n"
                     "strb   r3, [r0, r8]\n"
                     "strb   r4, [r0, r8, lsl #1]\n"
                     "add    sp, #20\n"
                     "pop    {r4-r11, pc}\n");
}

/* One pixel. S0 in r2, S in r3; the same frame. */
__attribute__((naked)) void fk_pairs_block_1(UNUSED const int16_t *x, UNUSED const uint8_t *stream,
                                             UNUSED int8_t *out, UNUSED const fk_pairs_job *job)
{
    __asm__ volatile("push   {r4-r11, lr}\n"
                     "sub    sp, #20\n"
                     "ldm    r3, {r4, r5, r6}\n"
                     "mov    r3, r2\n"
                     "mov    r2, r0\n"
                     "stm    sp, {r2, r3, r4, r5, r6}\n"
                     "1:\n"
                     "ldr    r0, [sp]\n"
                     "ldr    lr, [sp, #8]\n"
                     "movs   r2, #0\n"
                     "movs   r3, #0\n"
                     "lsrs   lr, lr, #1\n"
                     "bcc    2f\n"
                     "ldrd   r8, r9, [r1], #8\n"
                     "ldrd   r4, r5, [r0], #8\n"
                     "smlad  r3, r4, r8, r3\n"
                     "smlad  r3, r5, r9, r3\n"
                     "sxtb16 r8, r8\n"
                     "sxtb16 r9, r9\n"
                     "smlad  r2, r4, r8, r2\n"
                     "smlad  r2, r5, r9, r2\n"
                     "beq    3f\n" /* still the flags of the halving */
                     "2:\n"
                     "ldm    r1!, {r8, r9, r10, r11}\n"
                     "ldm    r0!, {r4, r5, r6, r7}\n"
                     "smlad  r3, r4, r8, r3\n"
                     "smlad  r3, r5, r9, r3\n"
                     "smlad  r3, r6, r10, r3\n"
                     "smlad  r3, r7, r11, r3\n"
                     "sxtb16 r8, r8\n"
                     "sxtb16 r9, r9\n"
                     "sxtb16 r10, r10\n"
                     "sxtb16 r11, r11\n"
                     "smlad  r2, r4, r8, r2\n"
                     "smlad  r2, r5, r9, r2\n"
                     "smlad  r2, r6, r10, r2\n"
                     "smlad  r2, r7, r11, r2\n"
                     "subs   lr, lr, #1\n"
                     "bne    2b\n"
                     "3:\n"
                     "sub    r3, r3, r2\n"
                     "ldm    r1!, {r8, r9, r10, r11}\n"
                     FINISH("r2", "lsl #1", "lr")
                     "ldm    r1!, {r8, r9, r10, r11}\n"
                     FINISH("r3", "asr #7", "lr")
                     "ldr    r0, [sp, #4]\n"
                     "ldr    lr, [sp, #12]\n"
                     "strb   r2, [r0], #1\n"
                     "subs   lr, lr, #1\n"
                     "str    lr, [sp, #12]\n"
                     "itt    ne\n"
                     "strbne r3, [r0], #1\n"
                     "strne  r0, [sp, #4]\n"
                     "bne    1b\n"
                     "ldr    r8, [sp, #16]\n" /* the last pair may be one channel */
                     "lsrs   r8, r8, #1\n"
                     "it     cc\n"
                     "strbcc r3, [r0]\n"
                     "add    sp, #20\n"
                     "pop    {r4-r11, pc}\n");
}

__attribute__((naked)) void fk_pairs_widen_3(UNUSED int16_t *x,
                                             UNUSED const int8_t *const pixel[FK_PAIRS_PIXELS],
                                             UNUSED uint32_t steps)
{
    __asm__ volatile("push   {r4-r11, lr}\n"
                     "ldm    r1, {r1, r3, lr}\n"
                     "1:\n"
                     "ldr    r7, [r1], #4\n"
                     "ldr    r8, [r3], #4\n"
                     "ldr    r9, [lr], #4\n"
                     "sxtb16 r4, r7\n"
                     "sxtb16 r5, r8\n"
                     "sxtb16 r6, r9\n"
                     "sxtb16 r7, r7, ror #8\n"
                     "sxtb16 r8, r8, ror #8\n"
                     "sxtb16 r9, r9, ror #8\n"
                     "stm    r0!, {r4, r5, r6, r7, r8, r9}\n"
                     "subs   r2, r2, #1\n"
                     "bne    1b\n"
                     "pop    {r4-r11, pc}\n");
}

__attribute__((naked)) void fk_pairs_widen_1(UNUSED int16_t *x, UNUSED const int8_t *pixel,
                                             UNUSED uint32_t steps)
{
    __asm__ volatile("1:\n"
                     "ldr    r3, [r1], #4\n"
                     "sxtb16 r12, r3\n"
                     "sxtb16 r3, r3, ror #8\n"
                     "strd   r12, r3, [r0], #8\n"
                     "subs   r2, r2, #1\n"
                     "bne    1b\n"
                     "bx     lr\n");
}

#endif
