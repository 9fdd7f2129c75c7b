/* FK_V7EM: this core takes the fast twins written for Armv7E-M, which Cortex-M4, M7, M33 and M55 do.
 *
 * Some cores have their products and not all else: a Cortex-A or -R in Arm state has no Thumb, older
 * ones lack some instructions, and words read big-endian would be other numbers. */
#ifndef FK_BASE_V7EM_H
#define FK_BASE_V7EM_H

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__) && !defined(__ARM_BIG_ENDIAN)
#define FK_V7EM 1
#endif

#endif
