/* mask_vector.h: masking a register at a time, written once for every instruction set.
 *
 * No include guard: a file includes this once, after it has defined for its instruction set
 *   SET, SET_TARGET  the suffix of the functions, and their target attribute
 *   vec, WIDTH       a register of bytes, and how many
 *   v_load, v_store, v_xor, v_or
 *   v_keys           a register full of the masking key
 *   v_is_ascii       whether no byte has bit 7
 *   mask_short       masks fewer than WIDTH bytes
 *
 * The first and the last WIDTH bytes are registers of their own, computed before and stored after
 * all others. What lies between can then be stored at aligned addresses, no tail is left, and where
 * registers overlap none reads a byte that is masked already, so that dst may be src. */

#define V_MASKED(offset, keys) v_xor(v_load(src + (offset)), keys)

SET_TARGET bool WSF_OF_SET(wsf_mask_ascii)(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    vec first, last, seen;

    if (n < WIDTH)
        return mask_short(dst, src, n, key);

    first = V_MASKED(0, v_keys(key));
    last = V_MASKED(n - WIDTH, v_keys(wsf_rotate_key(key, n - WIDTH)));
    seen = v_or(first, last);
    if (n > 2 * WIDTH) {
        size_t i = WIDTH - (uintptr_t)dst % WIDTH;
        const vec keys = v_keys(wsf_rotate_key(key, i));

        for (; n - i > 4 * WIDTH; i += 4 * WIDTH) {
            vec a = V_MASKED(i, keys), b = V_MASKED(i + WIDTH, keys);
            vec c = V_MASKED(i + 2 * WIDTH, keys), d = V_MASKED(i + 3 * WIDTH, keys);

            v_store(dst + i, a);
            v_store(dst + i + WIDTH, b);
            v_store(dst + i + 2 * WIDTH, c);
            v_store(dst + i + 3 * WIDTH, d);
            seen = v_or(seen, v_or(v_or(a, b), v_or(c, d)));
        }
        for (; n - i > WIDTH; i += WIDTH) {
            vec a = V_MASKED(i, keys);

            v_store(dst + i, a);
            seen = v_or(seen, a);
        }
    }
    v_store(dst, first);
    v_store(dst + n - WIDTH, last);
    return v_is_ascii(seen);
}

/* The result costs nothing beside the loads and stores. */
SET_TARGET void WSF_OF_SET(wsf_mask)(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key)
{
    WSF_OF_SET(wsf_mask_ascii)(dst, src, n, key);
}
