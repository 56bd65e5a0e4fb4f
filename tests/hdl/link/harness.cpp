// Drives a LinkServer of 32 bits: bytes in and out, registers and memory behind it.
//
// Whatever may wait waits at random. Each word that is written goes into a log.

#include <cstdint>
#include <deque>

#include "Vtop.h"
#include "verilated.h"

// Verilator writes the second of two underscores as its code.
#define PORT(stream, part) top_.stream##___05F##part

namespace {

constexpr unsigned OKAY = 0, SLVERR = 2;

// Words that exist, by byte address.
struct Space {
    uint32_t* words;
    uint32_t base, count;

    uint32_t* find(uint64_t address) const {
        const uint64_t index = (address - base) / 4;
        return address >= base && address % 4 == 0 && index < count ? words + index : nullptr;
    }
};

struct Write {
    uint32_t address, word;
};

class Bench {
  public:
    std::deque<Write> log;

    Bench(Space registers, Space memory, uint32_t seed)
        : registers_(registers), memory_(memory), random_(seed * 2654435761u + 1) {
        top_.clk = 0;
        top_.rst = 1;
        top_.eval();
        tick();
        top_.rst = 0;
    }

    // Sends bytes; returns how many came, once nothing has moved for `quiet` cycles, or -1 when
    // that does not happen within `limit` cycles. Stores at most `room` of them.
    int64_t exchange(const uint8_t* data, uint64_t count, uint8_t* got, uint64_t room,
                     uint64_t quiet, uint64_t limit) {
        uint64_t sent = 0, taken = 0;
        bool offering = false;
        still_ = 0;
        for (uint64_t cycle = 0; cycle < limit; ++cycle) {
            offering = offering || (sent < count && chance());
            PORT(i, valid) = offering;
            PORT(i, payload) = offering ? data[sent] : 0x55;
            PORT(o, ready) = chance();
            drive();
            top_.eval();
            ++still_;
            if (offering && PORT(i, ready)) {
                ++sent;
                offering = false;
                still_ = 0;
            }
            if (PORT(o, valid)) still_ = 0;
            if (PORT(o, valid) && PORT(o, ready)) {
                if (taken < room) got[taken] = PORT(o, payload);
                ++taken;
            }
            sample();
            tick();
            if (sent == count && still_ >= quiet) return int64_t(taken);
        }
        return -1;
    }

  private:
    VerilatedContext context_;
    Vtop top_{&context_};
    const Space registers_, memory_;
    uint32_t random_;
    uint64_t still_ = 0;  // cycles since anything has moved
    bool asked_ = false;  // a beat was asked for in the cycle before
    // Addresses and words of writes that have not met; answers that have not been taken.
    std::deque<uint64_t> aw_, w_, memory_aw_, memory_w_, b_, r_, memory_b_, memory_r_;

    bool chance() {
        random_ ^= random_ << 13;
        random_ ^= random_ >> 17;
        random_ ^= random_ << 5;
        return random_ >> 8 & 1;
    }

    void tick() {
        top_.clk = 1;
        top_.eval();
        top_.clk = 0;
        top_.eval();
    }

    // Offers the first answer, at random; once offered it stays. Returns it.
    uint64_t offer(CData& valid, const std::deque<uint64_t>& answers) {
        valid = !answers.empty() && (valid || chance());
        return valid ? answers.front() : 0;
    }

    void drive() {
        for (CData* ready : {&PORT(host, awready), &PORT(host, wready), &PORT(host, arready),
                             &PORT(bus_write___05Faw, ready), &PORT(bus_read___05Far, ready)})
            *ready = chance();
        // A beat is asked for when its address is there.
        PORT(bus_write, take) = memory_aw_.size() > memory_w_.size() + asked_ && chance();
        PORT(host, bresp) = offer(PORT(host, bvalid), b_);
        const uint64_t read = offer(PORT(host, rvalid), r_);
        PORT(host, rdata) = uint32_t(read);
        PORT(host, rresp) = read >> 32;
        PORT(bus_write___05Fb, payload) = offer(PORT(bus_write___05Fb, valid), memory_b_);
        PORT(bus_read___05Fr, payload) = offer(PORT(bus_read___05Fr, valid), memory_r_);
    }

    void drop(bool valid, bool ready, std::deque<uint64_t>& answers) {
        if (!valid || !ready) return;
        answers.pop_front();
        still_ = 0;
    }

    void keep(bool valid, bool ready, uint64_t value, std::deque<uint64_t>& values) {
        if (!valid || !ready) return;
        values.push_back(value);
        still_ = 0;
    }

    unsigned write(const Space& space, uint64_t address, uint32_t word) {
        uint32_t* place = space.find(address);
        if (!place) return SLVERR;
        *place = word;
        log.push_back({uint32_t(address), word});
        return OKAY;
    }

    void sample() {
        drop(PORT(host, bvalid), PORT(host, bready), b_);
        drop(PORT(host, rvalid), PORT(host, rready), r_);
        drop(PORT(bus_write___05Fb, valid), true, memory_b_);
        drop(PORT(bus_read___05Fr, valid), true, memory_r_);
        keep(PORT(host, awvalid), PORT(host, awready), PORT(host, awaddr), aw_);
        keep(PORT(host, wvalid), PORT(host, wready), PORT(host, wdata), w_);
        keep(PORT(bus_write___05Faw, valid), PORT(bus_write___05Faw, ready),
             PORT(bus_write___05Faw, payload), memory_aw_);
        keep(asked_, true, PORT(bus_write, w), memory_w_);
        asked_ = PORT(bus_write, take);
        if (!aw_.empty() && !w_.empty()) {
            b_.push_back(write(registers_, aw_.front(), uint32_t(w_.front())));
            aw_.pop_front();
            w_.pop_front();
        }
        if (!memory_aw_.empty() && !memory_w_.empty()) {
            memory_b_.push_back(write(memory_, uint32_t(memory_aw_.front()),
                                      uint32_t(memory_w_.front())));
            memory_aw_.pop_front();
            memory_w_.pop_front();
        }
        if (PORT(host, arvalid) && PORT(host, arready)) {
            const uint32_t* place = registers_.find(PORT(host, araddr));
            r_.push_back(place ? *place : uint64_t(SLVERR) << 32);
        }
        if (PORT(bus_read___05Far, valid) && PORT(bus_read___05Far, ready)) {
            const uint64_t burst = PORT(bus_read___05Far, payload);
            const uint64_t length = burst >> 32;
            for (uint64_t beat = 0; beat <= length; ++beat) {
                const uint32_t* place = memory_.find(uint32_t(burst) + 4 * beat);
                memory_r_.push_back((place ? *place : uint64_t(SLVERR) << 32)
                                    | uint64_t(beat == length) << 34);
            }
        }
    }
};

}  // namespace

extern "C" {

Bench* bench_new(uint32_t* registers, uint32_t register_count, uint32_t* memory,
                 uint32_t memory_base, uint32_t memory_count, uint32_t seed) {
    return new Bench({registers, 0, register_count}, {memory, memory_base, memory_count}, seed);
}

void bench_delete(Bench* bench) { delete bench; }

int64_t bench_exchange(Bench* bench, const uint8_t* data, uint64_t count, uint8_t* got,
                       uint64_t room, uint64_t quiet, uint64_t limit) {
    return bench->exchange(data, count, got, room, quiet, limit);
}

// Takes the oldest write out of the log; returns whether there was one.
int bench_write(Bench* bench, uint32_t* address, uint32_t* word) {
    if (bench->log.empty()) return 0;
    *address = bench->log.front().address;
    *word = bench->log.front().word;
    bench->log.pop_front();
    return 1;
}
}
