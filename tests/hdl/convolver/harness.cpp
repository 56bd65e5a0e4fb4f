// Drives a Convolver: three input streams, two output streams, all with random stalls.

#include <cstdint>
#include <cstring>
#include <memory>

#include "Vtop.h"
#include "verilated.h"

// Verilator writes the second of two underscores as its code.
#define PORT(stream, part) top.stream##___05F##part

namespace {

struct Random {
    uint32_t state;
    // True with a probability of `chance` / 256.
    bool operator()(uint32_t chance) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        return (state >> 8 & 0xFF) < chance;
    }
};

struct Bench {
    std::unique_ptr<VerilatedContext> context{new VerilatedContext};
    std::unique_ptr<Vtop> top{new Vtop{context.get()}};

    void tick() {
        top->clk = 1;
        top->eval();
        top->clk = 0;
        top->eval();
    }
};

}  // namespace

extern "C" {

struct Source {
    const int16_t* words;
    uint64_t count, taken;
    uint32_t stall;
};

struct Sink {
    int16_t* words;
    uint64_t room, count, first, last, withdrawn;
    uint32_t stall, shy;
};

// What the run counted, in clock cycles.
struct Counts {
    uint64_t cycles, active, first_active, last_active, stall_input, stall_weights, stall_output,
        saturated, last_stall_weights;
};

void* bench_new() {
    auto* bench = new Bench;
    bench->top->clk = 0;
    bench->top->rst = 1;
    bench->top->eval();
    bench->tick();
    bench->top->rst = 0;
    bench->top->eval();
    return bench;
}

void bench_delete(void* handle) { delete static_cast<Bench*>(handle); }

// Starts a step and runs it until the convolver is not busy, or `limit` cycles. Returns busy.
int bench_run(void* handle, const void* config, uint64_t config_size, const void* macs,
              uint64_t macs_size, Source* sources, Sink* sinks, uint32_t seed, uint64_t limit,
              Counts* counts) {
    Bench& bench = *static_cast<Bench*>(handle);
    Vtop& top = *bench.top;
    Random random{seed * 2654435761u + 1};
    std::memset(counts, 0, sizeof *counts);
    std::memcpy(&top.config, config, config_size);
    std::memcpy(&top.macs, macs, macs_size);

    bool offering[3] = {}, refused[2] = {}, seen[2] = {};
    int16_t offer[2] = {};
    for (uint64_t cycle = 0; cycle < limit; cycle++) {
        top.start = cycle == 0;
        CData* valid[3] = {&PORT(a, valid), &PORT(b, valid), &PORT(weights, valid)};
        SData* payload[3] = {&PORT(a, payload), &PORT(b, payload), &PORT(weights, payload)};
        CData* ready[3] = {&PORT(a, ready), &PORT(b, ready), &PORT(weights, ready)};
        for (int i = 0; i < 3; i++) {
            Source& source = sources[i];
            if (!offering[i]) offering[i] = source.taken < source.count && !random(source.stall);
            *valid[i] = offering[i];
            *payload[i] = offering[i] ? source.words[source.taken] : 0x5A5A;
        }
        CData* sink_ready[2] = {&PORT(drain0, ready), &PORT(drain1, ready)};
        for (int i = 0; i < 2; i++)
            *sink_ready[i] = !random(sinks[i].stall) && (seen[i] || !sinks[i].shy);
        top.eval();
        for (int i = 0; i < 3; i++)
            if (offering[i] && *ready[i]) {
                sources[i].taken++;
                offering[i] = false;
            }
        const CData out_valid[2] = {PORT(drain0, valid), PORT(drain1, valid)};
        const SData out[2] = {PORT(drain0, payload), PORT(drain1, payload)};
        for (int i = 0; i < 2; i++) {
            Sink& sink = sinks[i];
            const int16_t word = static_cast<int16_t>(out[i]);
            if (refused[i] && cycle && (!out_valid[i] || word != offer[i])) sink.withdrawn++;
            const bool moved = out_valid[i] && *sink_ready[i];
            refused[i] = out_valid[i] && !moved;
            seen[i] = refused[i];
            offer[i] = word;
            if (moved) {
                if (sink.count < sink.room) sink.words[sink.count] = word;
                if (!sink.count++) sink.first = cycle;
                sink.last = cycle;
            }
        }
        if (top.active) {
            if (!counts->active++) counts->first_active = cycle;
            counts->last_active = cycle;
        }
        counts->stall_input += top.stall_input;
        counts->stall_weights += top.stall_weights;
        if (top.stall_weights) counts->last_stall_weights = cycle;
        counts->stall_output += top.stall_output;
        counts->saturated += top.saturated;
        counts->cycles = cycle;
        if (cycle > 1 && !top.busy) return 0;
        bench.tick();
    }
    return 1;
}

}  // extern "C"
