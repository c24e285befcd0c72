/* dispatch.c: the tables, and which of them this CPU can run. */
#include "tables.h"

#if WSF_X86 && defined(_MSC_VER)
#include <intrin.h>
#endif

#define MASK_FROM(set) .mask = wsf_mask_##set, .mask_ascii = wsf_mask_ascii_##set
#define CHECKS_FROM(set) .utf8_valid = wsf_utf8_valid_##set, .utf8_scan = wsf_utf8_scan_##set
#define DECODERS_FROM(set) \
    .utf8_to_ucs1 = wsf_utf8_to_ucs1_##set, .utf8_to_ucs2 = wsf_utf8_to_ucs2_##set, \
    .utf8_to_ucs4 = wsf_utf8_to_ucs4_##set
#define LENGTHS_FROM(set) \
    .ucs1_utf8_length = wsf_ucs1_utf8_length_##set, \
    .ucs2_utf8_length = wsf_ucs2_utf8_length_##set, .ucs4_utf8_length = wsf_ucs4_utf8_length_##set
#define ENCODERS_FROM(set) \
    .ucs1_to_utf8 = wsf_ucs1_to_utf8_##set, .ucs2_to_utf8 = wsf_ucs2_to_utf8_##set, \
    .ucs4_to_utf8 = wsf_ucs4_to_utf8_##set

static const wsf_kernels scalar = {
    .name = "scalar", MASK_FROM(scalar), CHECKS_FROM(scalar),
    DECODERS_FROM(scalar), LENGTHS_FROM(scalar), ENCODERS_FROM(scalar)};

static bool any_cpu(void) { return true; }

#if WSF_X86
static const wsf_kernels sse2 = {
    .name = "sse2", MASK_FROM(sse2), CHECKS_FROM(scalar),
    DECODERS_FROM(scalar), LENGTHS_FROM(scalar), ENCODERS_FROM(scalar)};
static const wsf_kernels ssse3 = {
    .name = "ssse3", MASK_FROM(sse2), CHECKS_FROM(ssse3),
    DECODERS_FROM(ssse3), LENGTHS_FROM(ssse3), ENCODERS_FROM(ssse3)};
static const wsf_kernels avx2 = {
    .name = "avx2", MASK_FROM(avx2), CHECKS_FROM(avx2),
    DECODERS_FROM(ssse3), LENGTHS_FROM(avx2), ENCODERS_FROM(ssse3)};
static const wsf_kernels avx512 = {
    .name = "avx512", MASK_FROM(avx512), CHECKS_FROM(avx512),
    DECODERS_FROM(ssse3), LENGTHS_FROM(avx512), ENCODERS_FROM(ssse3)};
static const wsf_kernels avx512vbmi2 = {
    .name = "avx512vbmi2", MASK_FROM(avx512), CHECKS_FROM(avx512),
    DECODERS_FROM(avx512vbmi2), LENGTHS_FROM(avx512), ENCODERS_FROM(avx512vbmi2)};

/* Each question is about the CPU and about the system, which must save the wide registers. */
#ifdef _MSC_VER
enum { EBX = 1, ECX = 2 };
enum { AVX_STATE = 0x06, AVX512_STATE = 0xE6 };

WSF_TARGET("xsave")
static bool cpu_has(int leaf, int reg, unsigned bits, unsigned state)
{
    const int osxsave = 1 << 27;
    int regs[4];

    __cpuid(regs, 0);
    if (regs[0] < leaf)
        return false;
    __cpuid(regs, 1);
    if (state && (!(regs[ECX] & osxsave) || (_xgetbv(0) & state) != state))
        return false;
    __cpuidex(regs, leaf, 0);
    return ((unsigned)regs[reg] & bits) == bits;
}

static bool has_ssse3(void) { return cpu_has(1, ECX, 1u << 9 | 1u << 23, 0); } /* with POPCNT */
static bool has_avx2(void) { return cpu_has(7, EBX, 1u << 5, AVX_STATE); }
static bool has_avx512(void) /* F, DQ, BW, VL, and BMI2 */
{
    return cpu_has(7, EBX, 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31 | 1u << 8, AVX512_STATE);
}
static bool has_avx512vbmi2(void) /* VBMI, VBMI2 */
{
    return has_avx512() && cpu_has(7, ECX, 1u << 1 | 1u << 6, AVX512_STATE);
}
#else
#define HAS(feature) (__builtin_cpu_supports(feature) != 0)

static bool has_ssse3(void) { return HAS("ssse3") && HAS("popcnt"); }
static bool has_avx2(void) { return HAS("avx2") && HAS("popcnt"); }
static bool has_avx512(void)
{
    return has_avx2() && HAS("avx512f") && HAS("avx512dq") && HAS("avx512bw") && HAS("avx512vl") &&
           HAS("bmi2");
}
static bool has_avx512vbmi2(void)
{
    return has_avx512() && HAS("avx512vbmi") && HAS("avx512vbmi2");
}
#endif
#endif

#if WSF_ARM
static const wsf_kernels neon = {
    .name = "neon", MASK_FROM(neon), CHECKS_FROM(neon),
    DECODERS_FROM(neon), LENGTHS_FROM(neon), ENCODERS_FROM(neon)};
#endif

static const struct {
    const wsf_kernels *kernels;
    bool (*runs_here)(void);
} compiled[] = {
    {&scalar, any_cpu},
#if WSF_X86
    {&sse2, any_cpu},
    {&ssse3, has_ssse3},
    {&avx2, has_avx2},
    {&avx512, has_avx512},
    {&avx512vbmi2, has_avx512vbmi2},
#endif
#if WSF_ARM
    {&neon, any_cpu},
#endif
};

static const char *const known[] = {"scalar", "sse2", "ssse3", "avx2", "avx512", "avx512vbmi2", "neon"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const wsf_kernels *wsf_kernels_at(size_t index)
{
    for (size_t i = 0; i < COUNT(compiled); i++)
        if (compiled[i].runs_here() && index-- == 0)
            return compiled[i].kernels;
    return NULL;
}

const wsf_kernels *wsf_kernels_named(const char *name)
{
    const wsf_kernels *kernels;

    for (size_t i = 0; (kernels = wsf_kernels_at(i)) != NULL; i++)
        if (strcmp(kernels->name, name) == 0)
            return kernels;
    return NULL;
}

bool wsf_kernels_known(const char *name)
{
    for (size_t i = 0; i < COUNT(known); i++)
        if (strcmp(known[i], name) == 0)
            return true;
    return false;
}
