/* From reset to main(), and what happens when a core faults. */
#include <stdint.h>

#include "semihost.h"

extern uint32_t fk_data_load[], fk_data_start[], fk_data_end[];
extern uint32_t fk_bss_start[], fk_bss_end[], fk_stack_top[], fk_stack_bottom[];

int main(void);
void fk_reset(void);

enum { EXIT_FAULT = 70 };

static void fault(void)
{
    fk_host_print("fault\n");
    fk_host_exit(EXIT_FAULT);
}

/* No interrupt is used: beyond reset only faults can arrive. */
__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    void (*entry[15])(void);
} vectors = {
    fk_stack_top,
    {fk_reset, fault, fault, fault, fault, fault, fault, fault,
     fault, fault, fault, fault, fault, fault, fault},
};

#if defined(__ARM_FEATURE_MVE)
/* Coprocessors 10 and 11 hold the vector registers and are off after reset. */
static void enable_vectors(void)
{
    volatile uint32_t *const cpacr = (volatile uint32_t *)0xE000ED88u;
    *cpacr |= 0xFu << 20;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}
#endif

void fk_reset(void)
{
#if defined(__ARM_FEATURE_MVE)
    enable_vectors();
#endif
    const uint32_t *from = fk_data_load;
    for (uint32_t *to = fk_data_start; to < fk_data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = fk_bss_start; to < fk_bss_end; to++) {
        *to = 0;
    }
    fk_host_exit(main());
}
