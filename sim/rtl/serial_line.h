// The far end of the machine's serial line: bytes in and out, bit by bit.
//
// 8 data bits, no parity, 1 stop bit, as hdl/link/uart.py; a bit lasts `divisor` cycles.

#ifndef NEUFLOW_SERIAL_LINE_H
#define NEUFLOW_SERIAL_LINE_H

#include <cstdint>
#include <deque>

class SerialLine {
  public:
    std::deque<uint8_t> to_send, received;

    explicit SerialLine(unsigned divisor) : divisor_(divisor) {}

    void reset() {
        to_send.clear();
        received.clear();
        out_bits_ = in_bits_ = 0;
        out_wait_ = in_wait_ = 0;
        rest_ = 0;
    }

    // Bytes that have not gone to the machine as a whole.
    uint64_t pending() const { return to_send.size() + (out_bits_ != 0); }

    // Something has come, and its sender has paused for a byte's time.
    bool has_answer() const { return !received.empty() && rest_ >= 10 * divisor_; }

    // Level of the line to the machine, once a cycle.
    bool drive() {
        if (out_bits_ == 0) {
            if (to_send.empty()) return true;
            out_ = uint16_t(to_send.front() << 1 | 0x200);  // start bit, data, stop bit
            to_send.pop_front();
            out_bits_ = 10;
            out_wait_ = divisor_;
        }
        const bool level = out_ & 1;
        if (--out_wait_ == 0) {
            out_ >>= 1;
            --out_bits_;
            out_wait_ = divisor_;
        }
        return level;
    }

    // Takes the level of the line from the machine, once a cycle.
    void sample(bool level) {
        if (in_bits_ == 0) {
            rest_ += level;
            if (level) return;
            rest_ = 0;
            in_bits_ = 10;
            in_wait_ = divisor_ / 2;
            in_ = 0;
        }
        if (in_wait_-- != 0) return;
        in_wait_ = divisor_ - 1;
        in_ = uint16_t(in_ >> 1 | level << 9);
        if (--in_bits_ == 0 && level) received.push_back(uint8_t(in_ >> 1));
    }

  private:
    const unsigned divisor_;
    uint16_t out_ = 0, in_ = 0;             // bits still to go, bits come so far
    unsigned out_bits_ = 0, in_bits_ = 0;   // how many are missing
    unsigned out_wait_ = 0, in_wait_ = 0;   // cycles to the next bit, or its middle
    uint64_t rest_ = 0;                     // cycles since the line came to rest
};

#endif
