/* The rows of a block in a new order: those whose codes have an even number of ones come first.
 * The distances of a query to codes of one parity are all even or all odd, so that half of the
 * bins are empty. */

#if defined(__x86_64__)

#include "sliced.h"

#include <string.h>

/* Bits put one after the other. */
typedef struct {
    uint64_t *out, word;
    unsigned filled;
} bits_writer;

INLINE void put(bits_writer *to, uint64_t bits, unsigned n) {
    uint64_t whole = to->word | bits << to->filled;
    unsigned filled = to->filled + n;
    *to->out = whole;
    to->out += filled / 64;
    to->word = filled < 64 ? whole : to->filled ? bits >> (64 - to->filled) : 0;
    to->filled = filled % 64;
}

/* Mark the rows by parity. Returns the number of even ones. */
static TARGET size_t mark(const kernel_block *block, size_t words, uint64_t *const *parts) {
    const __m512i one = _mm512_set1_epi64(1);
    size_t evens = 0;
    for (size_t c = 0; c < block->chunks; c++) {
        uint64_t bits = 0;
        for (size_t i = 0; i < CHUNK; i += 8) {
            const uint8_t *from = block->planes + (c * CHUNK + i) * 8;
            __m512i code = _mm512_loadu_si512(from);
            for (size_t w = 1; w < words; w++)
                code = _mm512_xor_si512(code, _mm512_loadu_si512(from + w * block->stride * 8));
            bits |= (uint64_t)_mm512_test_epi64_mask(_mm512_popcnt_epi64(code), one) << i;
        }
        uint64_t rows = c + 1 == block->chunks ? tail_mask(block) : ~(uint64_t)0;
        parts[0][c] = ~bits & rows;
        parts[1][c] = bits & rows;
        evens += (size_t)__builtin_popcountll(parts[0][c]);
    }
    return evens;
}

/* Put the chosen words one after the other; up to 7 more are overwritten. */
static TARGET void take_words(const uint8_t *from, const uint64_t *chosen, size_t chunks,
                              uint64_t *out) {
    for (size_t i = 0; i < chunks * 8; i++) {
        __mmask8 some = (__mmask8)(chosen[i / 8] >> (i % 8 * 8));
        __m512i words = _mm512_loadu_si512(from + i * 64);
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi64(some, words));
        out += __builtin_popcount(some);
    }
}

/* The same of bits; whole words are written, one at least. */
static TARGET void take_bits(const uint64_t *from, const uint64_t *chosen, size_t chunks,
                             uint64_t *out) {
    bits_writer writer = {out, 0, 0};
    for (size_t c = 0; c < chunks; c++)
        put(&writer, _pext_u64(from[c], chosen[c]), (unsigned)__builtin_popcountll(chosen[c]));
    *writer.out = writer.word;
}

TARGET void parity_split(const kernel_block *block, size_t words, const kernel_labels *labels,
                         parity_rows *to) {
    size_t evens = mark(block, words, to->parts), odds = block->rows - evens;
    to->slices[0] = (evens + SLICE - 1) / SLICE;
    to->slices[1] = (odds + SLICE - 1) / SLICE;
    size_t second = to->slices[0] * SLICE, end = second + to->slices[1] * SLICE;
    to->padding[0] = second - evens;
    to->padding[1] = end - second - odds;
    for (size_t w = 0; w < words; w++) {
        uint64_t *codes = to->codes + w * to->capacity;
        const uint8_t *from = block->planes + w * block->stride * 8;
        take_words(from, to->parts[0], block->chunks, codes);
        memset(codes + evens, 0, to->padding[0] * 8);
        take_words(from, to->parts[1], block->chunks, codes + second);
        for (size_t r = second + odds; r < end; r++)
            codes[r] = w == 0;
    }
    for (size_t l = 0; l < labels->count; l++) {
        const uint64_t *from = labels->planes + l * labels->stride + block->first / CHUNK;
        uint64_t *bits = to->labels + l * (to->capacity / CHUNK);
        memset(bits, 0, end / CHUNK * 8);
        take_bits(from, to->parts[0], block->chunks, bits);
        take_bits(from, to->parts[1], block->chunks, bits + second / CHUNK);
    }
}

#endif
