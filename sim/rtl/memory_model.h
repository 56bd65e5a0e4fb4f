// External memory behind the machine's AXI4 port: latency, a bandwidth limit, errors, stalls.
//
// Every output of the model depends on its state only, never on this cycle's inputs. Bursts are
// INCR and as wide as the bus, as hdl/axi.py says; anything else is reported as a protocol error.

#ifndef NEUFLOW_MEMORY_MODEL_H
#define NEUFLOW_MEMORY_MODEL_H

#include <cstdint>
#include <cstring>
#include <deque>
#include <string>

#include "Vtop.h"

// The same fields, in the same order, as MemoryConfig in machine.py.
struct MemoryConfig {
    uint64_t size;         // bytes
    uint64_t rate;         // bytes a cycle, reads and writes together, times 65536
    uint64_t latency;      // cycles from an accepted address to the first beat or the response
    uint64_t outstanding;  // bursts accepted and not yet answered, each of reads and writes
    uint64_t seed;         // of the stalls and of the disorder
    uint64_t stall;        // probability times 65536 that a channel pauses in a cycle
    uint64_t disorder;     // 1: bursts of different IDs are answered in random order
    int64_t hang_id;       // bursts with this ID (-1: any) ...
    uint64_t hang_low;     // ... and their first byte in hang_low .. hang_high - 1
    uint64_t hang_high;    // are accepted and not answered, until all of this changes
};

class MemoryModel {
  public:
    static constexpr unsigned BUS = sizeof(Vtop::m_axi_rdata);  // bytes of a beat
    static constexpr unsigned OKAY = 0, SLVERR = 2;

    uint64_t bytes_read = 0, bytes_written = 0;
    std::string error;  // the first protocol error, with its cycle

    MemoryModel(Vtop& top, uint8_t* memory, const MemoryConfig& config)
        : top_(top), memory_(memory), config_(config) {
        reset();
    }

    void configure(const MemoryConfig& config) {
        config_ = config;
        for (std::deque<Burst>* queue : {&reads_, &filling_, &answering_})
            for (Burst& burst : *queue) burst.hung = burst.hung && hangs(burst.first, burst.id);
    }

    void reset() {
        reads_.clear();
        filling_.clear();
        answering_.clear();
        r_valid_ = b_valid_ = false;
        ar_held_.valid = aw_held_.valid = w_held_ = false;
        tokens_ = 0;
        random_ = (config_.seed * 0x9E3779B97F4A7C15ull + 0x1234567ull) | 1;
    }

    // Puts the model's outputs on the ports; the design then settles.
    void drive() {
        ar_ready_ = reads_.size() < config_.outstanding && !stalls();
        aw_ready_ = filling_.size() + answering_.size() < config_.outstanding && !stalls();
        w_ready_ = !filling_.empty() && tokens_ >= COST && !stalls();
        top_.m_axi_arready = ar_ready_;
        top_.m_axi_awready = aw_ready_;
        top_.m_axi_wready = w_ready_;
        top_.m_axi_rvalid = r_valid_;
        if (r_valid_) {
            top_.m_axi_rid = r_.id;
            top_.m_axi_rresp = r_.response;
            top_.m_axi_rlast = r_.last;
            std::memcpy(&top_.m_axi_rdata, r_data_, BUS);
        }
        top_.m_axi_bvalid = b_valid_;
        if (b_valid_) {
            top_.m_axi_bid = b_.id;
            top_.m_axi_bresp = b_.response;
        }
    }

    // Looks at the settled ports just before the clock's edge and moves to the next cycle; the
    // ports stay as they are, for the edge.
    void sample() {
        take_address(top_.m_axi_arvalid, ar_ready_, ar_held_,
                     {top_.m_axi_araddr, top_.m_axi_arlen, top_.m_axi_arid, top_.m_axi_arsize,
                      top_.m_axi_arburst, true}, reads_, "read");
        if (r_valid_ && top_.m_axi_rready) r_valid_ = false;
        take_data();
        take_address(top_.m_axi_awvalid, aw_ready_, aw_held_,
                     {top_.m_axi_awaddr, top_.m_axi_awlen, top_.m_axi_awid, top_.m_axi_awsize,
                      top_.m_axi_awburst, true}, filling_, "write");
        if (b_valid_ && top_.m_axi_bready) b_valid_ = false;
        ++now_;
        tokens_ += config_.rate;
        if (tokens_ > DEPTH) tokens_ = DEPTH;
        // When there is not enough for a beat each way, reads and writes take turns.
        const bool contended = !filling_.empty() && tokens_ < 2 * COST;
        if (!r_valid_ && tokens_ >= COST && !(contended && writes_turn_) && !stalls()) offer_beat();
        if (!b_valid_ && !answering_.empty() && !stalls()) offer_response();
    }

  private:
    struct Address {
        uint32_t address, length, id, size, burst;
        bool valid;
    };
    struct Burst {
        uint64_t address;  // of the next beat
        unsigned beats, id;
        uint32_t first;  // byte address that was asked for
        bool hung, failed;
        uint64_t ready;  // cycle in which the first beat or the response can be on the port
    };
    struct Answer {
        unsigned id, response;
        bool last;
    };

    static constexpr uint64_t COST = uint64_t(BUS) << 16;  // of a beat, in units of `rate`
    static constexpr uint64_t DEPTH = 4 * COST;            // what an idle memory saves up

    Vtop& top_;
    uint8_t* memory_;
    MemoryConfig config_;
    std::deque<Burst> reads_, filling_, answering_;
    bool ar_ready_ = false, aw_ready_ = false, w_ready_ = false, r_valid_ = false, b_valid_ = false;
    bool writes_turn_ = false;
    Address ar_held_{}, aw_held_{};
    bool w_held_ = false, w_held_last_ = false;
    uint64_t w_held_strobe_ = 0;
    uint8_t w_held_data_[BUS], r_data_[BUS];
    Answer r_{}, b_{};
    uint64_t tokens_ = 0, now_ = 0, random_ = 0;

    uint64_t random() {  // xorshift64
        random_ ^= random_ << 13;
        random_ ^= random_ >> 7;
        return random_ ^= random_ << 17;
    }

    bool stalls() { return config_.stall && (random() & 0xFFFF) < config_.stall; }

    void fail(const std::string& what) {
        if (error.empty()) error = "AXI protocol, cycle " + std::to_string(now_) + ": " + what;
    }

    void take_address(bool valid, bool ready, Address& held, const Address& now,
                      std::deque<Burst>& queue, const char* kind) {
        if (held.valid && !(valid && held.address == now.address && held.length == now.length
                            && held.id == now.id))
            fail(std::string(kind) + " address changed or vanished before it was accepted");
        held = now;
        held.valid = valid && !ready;
        if (!(valid && ready)) return;
        const uint64_t first = now.address & ~uint64_t(BUS - 1);
        const uint64_t last = first + uint64_t(now.length) * BUS;
        if ((1u << now.size) != BUS || now.burst != 1)
            fail(std::string(kind) + " burst is not INCR with beats as wide as the bus");
        if (first >> 12 != last >> 12)
            fail(std::string(kind) + " burst crosses a 4 KiB boundary from address "
                 + std::to_string(now.address));
        queue.push_back({first, now.length + 1, now.id, now.address, hangs(now.address, now.id),
                         false, now_ + config_.latency});
    }

    bool hangs(uint64_t address, unsigned id) const {
        return address >= config_.hang_low && address < config_.hang_high
               && (config_.hang_id < 0 || config_.hang_id == int64_t(id));
    }

    void take_data() {
        const uint64_t strobe = top_.m_axi_wstrb;
        const uint8_t* data = reinterpret_cast<const uint8_t*>(&top_.m_axi_wdata);
        if (w_held_ && !(top_.m_axi_wvalid && w_held_strobe_ == strobe
                         && w_held_last_ == bool(top_.m_axi_wlast)
                         && same_bytes(data, strobe)))
            fail("write data changed or vanished before it was accepted");
        w_held_ = top_.m_axi_wvalid && !w_ready_;
        if (w_held_) {
            w_held_strobe_ = strobe;
            w_held_last_ = top_.m_axi_wlast;
            std::memcpy(w_held_data_, data, BUS);
        }
        if (!(top_.m_axi_wvalid && w_ready_)) return;
        tokens_ -= COST;
        writes_turn_ = false;
        bytes_written += BUS;
        Burst& burst = filling_.front();
        if (burst.address + BUS > config_.size) {
            burst.failed = true;
        } else {
            for (unsigned byte = 0; byte < BUS; ++byte)
                if (strobe >> byte & 1) memory_[burst.address + byte] = data[byte];
        }
        burst.address += BUS;
        if (bool(top_.m_axi_wlast) != (burst.beats == 1))
            fail("WLAST is not on the last beat of its burst");
        if (--burst.beats == 0) {
            burst.ready = now_ + config_.latency;
            answering_.push_back(burst);
            filling_.pop_front();
        }
    }

    bool same_bytes(const uint8_t* data, uint64_t strobe) const {
        for (unsigned byte = 0; byte < BUS; ++byte)
            if ((strobe >> byte & 1) && data[byte] != w_held_data_[byte]) return false;
        return true;
    }

    // Index of the burst to answer next, or -1. In order within an ID; hung ones block their ID.
    int pick(const std::deque<Burst>& queue) {
        uint64_t blocked[4] = {};
        int choice = -1;
        unsigned candidates = 0;
        for (size_t index = 0; index < queue.size(); ++index) {
            const Burst& burst = queue[index];
            uint64_t& word = blocked[burst.id >> 6 & 3];
            const uint64_t bit = 1ull << (burst.id & 63);
            if (word & bit) continue;
            word |= bit;
            if (burst.hung) continue;
            if (!config_.disorder) return burst.ready <= now_ ? int(index) : -1;
            if (burst.ready <= now_ && random() % ++candidates == 0) choice = int(index);
        }
        return choice;
    }

    void offer_beat() {
        const int index = pick(reads_);
        if (index < 0) return;
        Burst& burst = reads_[index];
        tokens_ -= COST;
        writes_turn_ = true;
        bytes_read += BUS;
        const bool inside = burst.address + BUS <= config_.size;
        if (inside) std::memcpy(r_data_, memory_ + burst.address, BUS);
        else std::memset(r_data_, 0, BUS);
        burst.address += BUS;
        r_valid_ = true;
        r_ = {burst.id, inside ? OKAY : SLVERR, --burst.beats == 0};
        if (burst.beats == 0) reads_.erase(reads_.begin() + index);
    }

    void offer_response() {
        const int index = pick(answering_);
        if (index < 0) return;
        b_valid_ = true;
        b_ = {answering_[index].id, answering_[index].failed ? SLVERR : OKAY, true};
        answering_.erase(answering_.begin() + index);
    }
};

#endif
