/* Which vector extensions the processor has and the system saves. */
#include "x86_inline.h"

#if defined(FK_NN_X86)

#include <cpuid.h>

#include "fast.h"

enum { XCR0_AVX = 0x06, XCR0_AVX512 = 0xE6 };

static uint32_t enabled_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    (void)high;
    return low;
}

int fk_x86_available(int backend)
{
    uint32_t a, b, c, d;
    if (backend == FK_BACKEND_PORTABLE) {
        return 1;
    }
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) {
        return 0;
    }
    const uint32_t state = enabled_state();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2) ||
        (state & XCR0_AVX) != XCR0_AVX) {
        return 0;
    }
    const uint32_t wide = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
    switch (backend) {
    case FK_BACKEND_AVX2:
        return 1;
    case FK_BACKEND_AVX512_VNNI:
        return (b & wide) == wide && (c & bit_AVX512VNNI) && (state & XCR0_AVX512) == XCR0_AVX512;
    case FK_BACKEND_AVX_VNNI:
        return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1u);
    default:
        return 0;
    }
}

int fk_x86_detect(void)
{
    int backend = FK_BACKEND_AVX512_VNNI;
    while (!fk_x86_available(backend)) {
        backend--;
    }
    return backend;
}

#endif
