/* Counts what an emulated Cortex-M executes, exactly (a QEMU TCG plugin).
 *
 *   qemu-system-arm ... -plugin libcount.so,out=FILE[,mark=ADDRESS...][,profile=BASE:SIZE]
 *
 * Each executed instruction adds one to the counter of its class. Each time
 * the instruction at a `mark` address is about to run, a line is appended to
 * FILE: the index of that mark and every counter; the last line is "exit".
 * With `profile`, lines "at ADDRESS COUNT" follow, one per executed address.
 *
 * Classes are those of the modelled cycle count of a Cortex-M4 (see
 * framekeep_onboard/count.py); the names below are in the order of the lines.
 * Built for the host. QEMU's interface is declared here by hand because
 * distributions ship no header for it; this is version 1 of it. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*tb_translated)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*insn_executed)(unsigned vcpu, void *data);
typedef void (*at_exit)(qemu_plugin_id_t, void *data);

enum { ADD_U64 = 0, NO_REGISTERS = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, tb_translated);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, insn_executed, int flags,
                                            void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, int op, void *counter,
                                                uint64_t addend);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, at_exit, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);

#define EXPORT __attribute__((visibility("default")))
extern EXPORT int qemu_plugin_version;
EXPORT int qemu_plugin_version = 1;

enum { /* first the classes, one of which each instruction belongs to ... */
    OTHER,      /* arithmetic, logic, moves, IT                              */
    MULTIPLY,   /* MUL, MLA, SMLAD, SMULL and their like                     */
    DIVIDE,     /* SDIV, UDIV                                                */
    LOAD,       /* one register, the instruction before was no single access */
    LOAD_AGAIN, /* one register, right after another single load or store    */
    STORE,      /* one register                                              */
    DOUBLE,     /* LDRD, STRD                                                */
    MULTIPLE,   /* LDM, STM, PUSH, POP                                       */
    BRANCH,     /* whatever may continue elsewhere, except loads of PC       */
    VECTOR,     /* MVE and VFP arithmetic                                    */
    VECTOR_LOAD,
    VECTOR_STORE,
    CLASSES,
    /* ... then what else the cycle count needs */
    REGISTERS = CLASSES, /* moved by MULTIPLE                                */
    PC_LOADED,           /* by LDR, LDM or POP: jumps too                    */
    NOT_TAKEN,           /* of BRANCH                                        */
    COUNTERS
};

enum { MARKS_MAX = 16 };

static uint64_t counters[COUNTERS];
static uint64_t marks[MARKS_MAX];
static unsigned mark_count;
static uint64_t *profile;
static uint64_t profile_base, profile_size;
static uint64_t awaited; /* where the last branch goes when it is not taken */
static FILE *out;

typedef struct {
    int class;
    unsigned registers;
    bool loads_pc;
} decoded;

static decoded memory(bool load, unsigned rt)
{
    return (decoded){load ? LOAD : STORE, 0, load && rt == 15};
}

static decoded multiple(bool load, unsigned list)
{
    return (decoded){MULTIPLE, (unsigned)__builtin_popcount(list), load && (list & 0x8000u)};
}

static decoded decode16(unsigned i)
{
    const unsigned low = i & 0xFFu;
    if ((i & 0xF800u) == 0x4800u) { /* LDR literal */
        return memory(true, 0);
    }
    if ((i & 0xF000u) == 0x5000u) { /* register offset */
        return memory(((i >> 9) & 7u) >= 3, 0);
    }
    if ((i & 0xE000u) == 0x6000u || (i & 0xE000u) == 0x8000u) { /* immediate offset */
        return memory(i & 0x0800u, 0);
    }
    if ((i & 0xFE00u) == 0xB400u) { /* PUSH */
        return multiple(false, low | (i & 0x100u) << 6);
    }
    if ((i & 0xFE00u) == 0xBC00u) { /* POP */
        return multiple(true, low | (i & 0x100u) << 7);
    }
    if ((i & 0xF000u) == 0xC000u) { /* STM, LDM */
        return multiple(i & 0x0800u, low);
    }
    const bool conditional = (i & 0xF000u) == 0xD000u && (i & 0x0F00u) < 0x0E00u;
    const bool compare = (i & 0xF500u) == 0xB100u; /* CBZ, CBNZ */
    const bool exchange = (i & 0xFF00u) == 0x4700u;
    const bool into_pc = (i & 0xFD87u) == 0x4487u; /* ADD or MOV with PC as target */
    if (conditional || compare || exchange || into_pc || (i & 0xF800u) == 0xE000u) {
        return (decoded){BRANCH, 0, false};
    }
    return (decoded){(i & 0xFFC0u) == 0x4340u ? MULTIPLY : OTHER, 0, false};
}

static decoded decode32(unsigned a, unsigned b)
{
    const bool load = a & 0x10u;
    if ((a & 0xFE40u) == 0xE800u) {
        return multiple(load, b);
    }
    if ((a & 0xFE40u) == 0xE840u) {
        if ((a & 0xFFF0u) == 0xE8D0u && (b & 0xFFE0u) == 0xF000u) { /* TBB, TBH */
            return (decoded){BRANCH, 0, false};
        }
        return a & 0x0120u ? (decoded){DOUBLE, 0, false} : memory(load, 0);
    }
    if ((a & 0xEC00u) == 0xEC00u) { /* coprocessors 8 to 15: MVE, VFP */
        const bool access = (a & 0xFE00u) == 0xEC00u;
        return (decoded){!access ? VECTOR : load ? VECTOR_LOAD : VECTOR_STORE, 0, false};
    }
    if ((a & 0xF800u) == 0xF000u && (b & 0x8000u)) {
        const bool system = (b & 0xD000u) == 0x8000u && (a & 0x0380u) == 0x0380u;
        return (decoded){system ? OTHER : BRANCH, 0, false};
    }
    if ((a & 0xFE00u) == 0xF800u) {
        const bool word = (a & 0x0060u) == 0x0040u;
        const unsigned rt = b >> 12;
        if (load && rt == 15 && !word) { /* a preload hint */
            return (decoded){OTHER, 0, false};
        }
        return memory(load, rt);
    }
    if ((a & 0xFF00u) == 0xFB00u) {
        const bool division = (a & 0xFFD0u) == 0xFB90u && (b & 0x00F0u) == 0x00F0u;
        return (decoded){division ? DIVIDE : MULTIPLY, 0, false};
    }
    return (decoded){OTHER, 0, false};
}

static decoded decode(const struct qemu_plugin_insn *insn)
{
    const uint8_t *bytes = qemu_plugin_insn_data(insn);
    const unsigned first = bytes[0] | (unsigned)bytes[1] << 8;
    if (qemu_plugin_insn_size(insn) == 2) {
        return decode16(first);
    }
    return decode32(first, bytes[2] | (unsigned)bytes[3] << 8);
}

static void write_line(const char *label)
{
    fputs(label, out);
    for (int i = 0; i < COUNTERS; i++) {
        fprintf(out, " %" PRIu64, counters[i]);
    }
    fputc('\n', out);
}

static void on_mark(unsigned vcpu, void *data)
{
    (void)vcpu;
    char label[16];
    snprintf(label, sizeof label, "%u", (unsigned)(uintptr_t)data);
    write_line(label);
}

static void on_branch(unsigned vcpu, void *data)
{
    (void)vcpu;
    awaited = (uint64_t)(uintptr_t)data;
}

/* The first instruction of a block is the one that follows a branch. */
static void on_arrival(unsigned vcpu, void *data)
{
    (void)vcpu;
    counters[NOT_TAKEN] += awaited == (uint64_t)(uintptr_t)data;
    awaited = 1; /* no instruction has an odd address */
}

static void add(struct qemu_plugin_insn *insn, int counter, uint64_t n)
{
    qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD_U64, &counters[counter], n);
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    const size_t n = qemu_plugin_tb_n_insns(tb);
    bool after_access = false;
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const uint64_t address = qemu_plugin_insn_vaddr(insn);
        decoded d = decode(insn);
        const bool access = d.class == LOAD || d.class == STORE;
        if (d.class == LOAD && after_access) {
            d.class = LOAD_AGAIN;
        }
        after_access = access;
        if (i == 0) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_arrival, NO_REGISTERS,
                                                   (void *)(uintptr_t)address);
        }
        for (unsigned m = 0; m < mark_count; m++) {
            if (marks[m] == address) {
                qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, NO_REGISTERS,
                                                       (void *)(uintptr_t)m);
            }
        }
        add(insn, d.class, 1);
        if (d.registers != 0) {
            add(insn, REGISTERS, d.registers);
        }
        if (d.loads_pc) {
            add(insn, PC_LOADED, 1);
        }
        if (d.class == BRANCH) {
            const uint64_t next = address + qemu_plugin_insn_size(insn);
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_branch, NO_REGISTERS,
                                                   (void *)(uintptr_t)next);
        }
        if (profile != NULL && address - profile_base < profile_size) {
            qemu_plugin_register_vcpu_insn_exec_inline(
                insn, ADD_U64, &profile[(address - profile_base) / 2], 1);
        }
    }
}

static void on_exit_of_qemu(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    write_line("exit");
    for (uint64_t i = 0; profile != NULL && i < profile_size / 2; i++) {
        if (profile[i] != 0) {
            fprintf(out, "at %" PRIu64 " %" PRIu64 "\n", profile_base + 2 * i, profile[i]);
        }
    }
    fclose(out);
}

static bool take_argument(const char *text)
{
    char *end = NULL;
    if (strncmp(text, "out=", 4) == 0) {
        out = fopen(text + 4, "w");
        return out != NULL;
    }
    if (strncmp(text, "mark=", 5) == 0 && mark_count < MARKS_MAX) {
        marks[mark_count++] = strtoull(text + 5, &end, 0);
        return *end == '\0';
    }
    if (strncmp(text, "profile=", 8) == 0) {
        profile_base = strtoull(text + 8, &end, 0);
        profile_size = *end == ':' ? strtoull(end + 1, &end, 0) : 0;
        profile = calloc(profile_size / 2 + 1, sizeof *profile);
        return *end == '\0' && profile != NULL;
    }
    return false;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!take_argument(argv[i])) {
            fprintf(stderr, "count plugin: bad argument %s\n", argv[i]);
            return -1;
        }
    }
    if (out == NULL) {
        fputs("count plugin: no out=FILE given\n", stderr);
        return -1;
    }
    awaited = 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
    return 0;
}
