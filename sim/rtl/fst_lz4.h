// The two functions of liblz4 that the FST writer calls, so that wave files need no library.
//
// Source: LZ4 block format, https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md: sequences
// of literals and a match of 4 or more bytes; the last 5 bytes are literals, and the last match
// starts at least 12 bytes before the end.

#ifndef NEUFLOW_FST_LZ4_H
#define NEUFLOW_FST_LZ4_H

#include <cstdint>
#include <cstring>
#include <vector>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

namespace neuflow_lz4 {

inline uint8_t* put_length(uint8_t* out, int rest) {
    for (; rest >= 255; rest -= 255) *out++ = 255;
    *out++ = uint8_t(rest);
    return out;
}

inline uint8_t* put_sequence(uint8_t* out, const uint8_t* literals, int count, int offset,
                             int match) {
    uint8_t* token = out++;
    *token = uint8_t((count < 15 ? count : 15) << 4);
    if (count >= 15) out = put_length(out, count - 15);
    if (count) std::memcpy(out, literals, count);
    out += count;
    if (!offset) return out;  // the last sequence
    *out++ = uint8_t(offset);
    *out++ = uint8_t(offset >> 8);
    *token |= match - 4 < 15 ? match - 4 : 15;
    return match - 4 >= 15 ? put_length(out, match - 4 - 15) : out;
}

}  // namespace neuflow_lz4

// `capacity` is at least LZ4_compressBound(size), as the caller sees to.
inline int LZ4_compress_default(const char* source, char* target, int size, int /*capacity*/) {
    const uint8_t* in = reinterpret_cast<const uint8_t*>(source);
    uint8_t* out = reinterpret_cast<uint8_t*>(target);
    constexpr int HASH_BITS = 14;
    std::vector<int> table(1 << HASH_BITS, -1);  // where each hash of 4 bytes was seen last
    int start = 0;                               // of the literals not yet written
    for (int at = 0; at + 12 < size;) {
        uint32_t word;
        std::memcpy(&word, in + at, 4);
        int& seen = table[word * 2654435761u >> (32 - HASH_BITS)];
        const int candidate = seen;
        seen = at;
        if (candidate < 0 || at - candidate > 65535 || std::memcmp(in + candidate, in + at, 4)) {
            ++at;
            continue;
        }
        int match = 4;
        while (at + match < size - 5 && in[candidate + match] == in[at + match]) ++match;
        out = neuflow_lz4::put_sequence(out, in + start, at - start, at - candidate, match);
        at += match;
        start = at;
    }
    out = neuflow_lz4::put_sequence(out, in + start, size - start, 0, 0);
    return int(out - reinterpret_cast<uint8_t*>(target));
}

#endif
