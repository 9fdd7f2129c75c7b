#include "fast.h"

#include "fk/err.h"
#include "mve_inline.h"
#include "x86_inline.h"

static const char *const names[FK_BACKEND_COUNT] = {"portable", "avx2", "avx-vnni", "avx512-vnni",
                                                    "mve"};

const char *fk_backend_name(int backend)
{
    return backend >= 0 && backend < FK_BACKEND_COUNT ? names[backend] : "";
}

#if defined(FK_NN_X86)

/* What the kernels of a thread work in, and where it keeps whole feature maps. */
static _Thread_local _Alignas(FK_X86_ALIGN) uint8_t workspace[FK_X86_WORKSPACE];
static _Thread_local _Alignas(FK_X86_ALIGN) uint8_t maps[FK_X86_MAPS + FK_X86_ALIGN];

uint8_t *fk_fast_maps(size_t size)
{
    return fk_backend_chosen() != FK_BACKEND_PORTABLE && size <= FK_X86_MAPS ? maps : NULL;
}

/* Found at the first use; finding it twice in two threads finds the same. */
static int chosen = -1;

int fk_backend_chosen(void)
{
    if (chosen < 0) {
        chosen = fk_x86_detect();
    }
    return chosen;
}

int fk_backend_available(int backend)
{
    return fk_x86_available(backend);
}

int fk_backend_force(int backend)
{
    if (!fk_backend_available(backend)) {
        return FK_ERR_UNSUPPORTED;
    }
    chosen = backend;
    return FK_OK;
}

static const fk_x86_kernels *kernels(void)
{
    switch (fk_backend_chosen()) {
    case FK_BACKEND_AVX2:
        return &fk_x86_avx2;
    case FK_BACKEND_AVX_VNNI:
        return &fk_x86_avx_vnni;
    case FK_BACKEND_AVX512_VNNI:
        return &fk_x86_avx512_vnni;
    default:
        return NULL;
    }
}

void fk_fast_conv_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch)
{
    const fk_x86_kernels *k = kernels();
    fk_x86_plan plan;
    fk_x86_plan_conv(&plan, w);
    if (k == NULL || !plan.fits || !k->conv(out, in, w, &plan, workspace)) {
        fk_conv_s8(out, in, w, scratch);
    }
}

void fk_fast_depthwise_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch)
{
    const fk_x86_kernels *k = kernels();
    fk_x86_plan plan;
    fk_x86_plan_depthwise(&plan, w);
    if (k == NULL || !plan.fits || !k->depthwise(out, in, w, &plan, workspace)) {
        fk_depthwise_s8(out, in, w, scratch);
    }
}

void fk_fast_avg_pool_s8(int8_t *out, const int8_t *in, const fk_window *w)
{
    const fk_x86_kernels *k = kernels();
    if (k == NULL) {
        fk_avg_pool_s8(out, in, w);
    } else {
        k->avg_pool(out, in, w);
    }
}

void fk_fast_add_s8(int8_t *out, const int8_t *a, const int8_t *b, const fk_binary *p)
{
    const fk_x86_kernels *k = kernels();
    if (k == NULL || !k->add(out, a, b, p)) {
        fk_add_s8(out, a, b, p);
    }
}

size_t fk_fast_conv_s8_scratch_size(const fk_window *w)
{
    return fk_conv_s8_scratch_size(w);
}

size_t fk_fast_depthwise_s8_scratch_size(const fk_window *w)
{
    return fk_depthwise_s8_scratch_size(w);
}

#else

#if defined(FK_NN_MVE)
enum { BUILT_FOR = FK_BACKEND_MVE };
#else
enum { BUILT_FOR = FK_BACKEND_PORTABLE };
#endif

uint8_t *fk_fast_maps(size_t size)
{
    (void)size;
    return NULL;
}

int fk_backend_chosen(void)
{
    return BUILT_FOR;
}

int fk_backend_available(int backend)
{
    return backend == (int)BUILT_FOR;
}

int fk_backend_force(int backend)
{
    return fk_backend_available(backend) ? FK_OK : FK_ERR_UNSUPPORTED;
}

void fk_fast_avg_pool_s8(int8_t *out, const int8_t *in, const fk_window *w)
{
    fk_avg_pool_s8(out, in, w);
}

void fk_fast_add_s8(int8_t *out, const int8_t *a, const int8_t *b, const fk_binary *p)
{
#if defined(FK_NN_MVE)
    if (fk_mve_add_s8(out, a, b, p)) {
        return;
    }
#endif
    fk_add_s8(out, a, b, p);
}

#if defined(FK_NN_MVE)

size_t fk_fast_conv_s8_scratch_size(const fk_window *w)
{
    return fk_mve_conv_s8_scratch_size(w);
}

void fk_fast_conv_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch)
{
    fk_mve_conv_s8(out, in, w, scratch);
}

size_t fk_fast_depthwise_s8_scratch_size(const fk_window *w)
{
    return fk_mve_depthwise_s8_fits(w) ? fk_mve_depthwise_s8_scratch_size(w)
                                       : fk_depthwise_s8_scratch_size(w);
}

void fk_fast_depthwise_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch)
{
    if (fk_mve_depthwise_s8_fits(w)) {
        fk_mve_depthwise_s8(out, in, w, scratch);
    } else {
        fk_depthwise_s8(out, in, w, scratch);
    }
}

#else

size_t fk_fast_conv_s8_scratch_size(const fk_window *w)
{
    return fk_conv_s8_scratch_size(w);
}

void fk_fast_conv_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch)
{
    fk_conv_s8(out, in, w, scratch);
}

size_t fk_fast_depthwise_s8_scratch_size(const fk_window *w)
{
    return fk_depthwise_s8_scratch_size(w);
}

void fk_fast_depthwise_s8(int8_t *out, const int8_t *in, const fk_window *w, uint8_t *scratch)
{
    fk_depthwise_s8(out, in, w, scratch);
}

#endif
#endif
