/* Blocks of codes: rows of any width become planes of 64-bit words, a cache-full at a time. */

#include "kernel.h"

#include <stdlib.h>
#include <string.h>

kernel_codes codes_of(const uint8_t *data, size_t n, size_t bytes) {
    kernel_codes codes = {data, n, bytes, (bytes + 7) / 8};
    return codes;
}

static inline uint64_t load_word(const uint8_t *from) {
    uint64_t word;
    memcpy(&word, from, 8);
    return word;
}

uint64_t *codes_words(const kernel_codes *codes) {
    uint64_t *words = calloc(codes->n * codes->words + 1, 8);
    if (words == NULL)
        return NULL;
    for (size_t i = 0; i < codes->n; i++)
        memcpy(words + i * codes->words, codes->data + i * codes->bytes, codes->bytes);
    return words;
}

size_t block_rows(const kernel_codes *codes, size_t block_words) {
    size_t rows = block_words / codes->words / CHUNK * CHUNK;
    return rows ? rows : CHUNK;
}

/* Widths of whole words; inlined with a fixed number of words, so that the compiler unrolls. */
static inline void split_words(const uint8_t *row, size_t rows, size_t words, size_t stride,
                               uint64_t *planes) {
    for (size_t r = 0; r < rows; r++, row += words * 8)
        for (size_t w = 0; w < words; w++)
            planes[w * stride + r] = load_word(row + w * 8);
}

/* Widths with a part of a word at the end, which is cut from a whole one where one can be read. */
static void split_bytes(const kernel_codes *codes, size_t first, size_t rows, size_t stride,
                        uint64_t *planes) {
    const uint8_t *row = codes->data + first * codes->bytes;
    const uint8_t *end = codes->data + codes->n * codes->bytes;
    size_t whole = codes->bytes / 8, part = codes->bytes % 8;
    /* Counted in bytes from the start of memory, so a first-in-memory byte has the first place. */
    uint8_t keep_bytes[8] = {0};
    memset(keep_bytes, 255, part);
    uint64_t keep = load_word(keep_bytes);
    for (size_t r = 0; r < rows; r++, row += codes->bytes) {
        for (size_t w = 0; w < whole; w++)
            planes[w * stride + r] = load_word(row + w * 8);
        const uint8_t *tail = row + whole * 8;
        uint64_t word = 0;
        if (end - tail >= 8)
            word = load_word(tail) & keep;
        else
            memcpy(&word, tail, part);
        planes[whole * stride + r] = word;
    }
}

kernel_block block_read(const kernel_codes *codes, size_t first, size_t rows, uint64_t *scratch) {
    if (rows > codes->n - first)
        rows = codes->n - first;
    size_t chunks = (rows + CHUNK - 1) / CHUNK, stride = chunks * CHUNK;
    const uint8_t *data = codes->data + first * codes->bytes;
    kernel_block block = {(const uint8_t *)scratch, stride, first, rows, chunks};
    if (codes->bytes == 8 && rows == stride) {
        block.planes = data;
        return block;
    }
    if (codes->bytes % 8)
        split_bytes(codes, first, rows, stride, scratch);
    else if (codes->words == 1)
        split_words(data, rows, 1, stride, scratch);
    else if (codes->words == 2)
        split_words(data, rows, 2, stride, scratch);
    else if (codes->words == 4)
        split_words(data, rows, 4, stride, scratch);
    else
        split_words(data, rows, codes->words, stride, scratch);
    for (size_t w = 0; w < codes->words; w++)
        memset(scratch + w * stride + rows, 0, (stride - rows) * 8);
    return block;
}

void keys_sort(const uint64_t *keys, size_t n, size_t *counts, size_t bits, size_t wanted,
               int32_t *distances, int64_t *positions) {
    size_t before = 0;
    for (size_t d = 0; d <= bits; d++) {
        size_t count = counts[d];
        counts[d] = before;
        before += count;
    }
    for (size_t i = 0; i < n; i++) {
        size_t distance = KEY_DISTANCE(keys[i]), slot = counts[distance]++;
        if (slot < wanted) {
            distances[slot] = (int32_t)distance;
            positions[slot] = KEY_POSITION(keys[i]);
        }
    }
}
