// The simulation loop of the top module `neuflow`, as a shared library with a C interface.
//
// One cycle: inputs change while the clock is low, the design settles, the models look at its
// outputs, the clock rises. machine.py is the only caller.

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "Vtop.h"
#include "memory_model.h"
#include "serial_line.h"
#include "verilated.h"

#if VM_TRACE
#if VM_TRACE_FST
#include "verilated_fst_c.h"
using Trace = VerilatedFstC;
#else
#include "verilated_vcd_c.h"
using Trace = VerilatedVcdC;
#endif
#endif

namespace {

// Master of the machine's AXI4-Lite port: one access at a time.
class LiteMaster {
  public:
    unsigned response = 0;
    uint32_t data = 0;

    explicit LiteMaster(Vtop& top) : top_(top) { reset(); }

    void reset() { aw_ = w_ = b_ = ar_ = r_ = false; }

    void start_read(uint32_t address) {
        top_.s_axil_araddr = address;
        ar_ = r_ = true;
    }

    void start_write(uint32_t address, uint32_t value) {
        top_.s_axil_awaddr = address;
        top_.s_axil_wdata = value;
        top_.s_axil_wstrb = 0xF;
        aw_ = w_ = b_ = true;
    }

    bool busy() const { return b_ || r_; }

    void drive() {
        top_.s_axil_awvalid = aw_;
        top_.s_axil_wvalid = w_;
        top_.s_axil_bready = b_;
        top_.s_axil_arvalid = ar_;
        top_.s_axil_rready = r_;
    }

    void sample() {
        if (top_.s_axil_awready) aw_ = false;
        if (top_.s_axil_wready) w_ = false;
        if (top_.s_axil_arready) ar_ = false;
        if (b_ && top_.s_axil_bvalid) {
            response = top_.s_axil_bresp;
            b_ = false;
        }
        if (r_ && top_.s_axil_rvalid) {
            response = top_.s_axil_rresp;
            data = top_.s_axil_rdata;
            r_ = false;
        }
    }

  private:
    Vtop& top_;
    bool aw_, w_, b_, ar_, r_;
};

class Machine {
  public:
    std::string error;         // of the protocol: stays until the next reset
    std::string access_error;  // of the last AXI4-Lite access that failed
    uint64_t cycle = 0;

    Machine(uint8_t* memory, const MemoryConfig& config)
        : context_(new VerilatedContext), top_(new Vtop(context_.get(), "neuflow")),
          memory_(*top_, memory, config), lite_(*top_), line_(NEUFLOW_DIVISOR) {
        context_->traceEverOn(true);
    }

    ~Machine() {
        trace_close();
        top_->final();
    }

    MemoryModel& memory() { return memory_; }

    SerialLine& line() { return line_; }

    bool step() {
        memory_.drive();
        lite_.drive();
#if NEUFLOW_DIVISOR
        top_->rx = line_.drive();
#endif
        top_->clk = 0;
        top_->eval();
        dump(2 * cycle);
        if (!top_->rst) {
            memory_.sample();
            lite_.sample();
#if NEUFLOW_DIVISOR
            line_.sample(top_->tx);
#endif
        }
        top_->clk = 1;
        top_->eval();
        dump(2 * cycle + 1);
        ++cycle;
        if (!memory_.error.empty() && error.empty()) error = memory_.error;
        return error.empty();
    }

    bool run(uint64_t cycles) {
        for (; cycles; --cycles)
            if (!step()) return false;
        return true;
    }

    // Ends early when the line has brought an answer.
    bool run_line(uint64_t cycles) {
        for (; cycles && !line_.has_answer(); --cycles)
            if (!step()) return false;
        return true;
    }

    bool reset(uint64_t cycles) {
        error.clear();
        memory_.error.clear();
        memory_.reset();
        lite_.reset();
        line_.reset();
        top_->rst = 1;
        const bool fine = run(cycles);
        top_->rst = 0;
        return run(1) && fine;  // until the register before the design's reset has passed it on
    }

    bool read(uint32_t address, uint32_t* value) {
        lite_.start_read(address);
        if (!finish("read", address)) return false;
        *value = lite_.data;
        return true;
    }

    bool write(uint32_t address, uint32_t value) {
        lite_.start_write(address, value);
        return finish("write", address);
    }

    void trace_open(const char* path, uint64_t half_period) {
#if VM_TRACE
        trace_close();
        half_period_ = half_period;
        trace_.reset(new Trace);
        top_->trace(trace_.get(), 99);
        trace_->open(path);
#endif
    }

    void trace_close() {
#if VM_TRACE
        if (trace_) trace_->close();
        trace_.reset();
#endif
    }

  private:
    std::unique_ptr<VerilatedContext> context_;
    std::unique_ptr<Vtop> top_;
    MemoryModel memory_;
    LiteMaster lite_;
    SerialLine line_;
#if VM_TRACE
    std::unique_ptr<Trace> trace_;
    uint64_t half_period_ = 1;

    void dump(uint64_t half_cycles) {
        if (trace_) trace_->dump(half_cycles * half_period_);
    }
#else
    void dump(uint64_t) {}
#endif

    bool finish(const char* kind, uint32_t address) {
        const uint64_t limit = cycle + 10000;
        while (lite_.busy()) {
            if (!step()) return false;
            if (cycle >= limit) return refuse(kind, address, "is not answered in 10000 cycles");
        }
        if (lite_.response != MemoryModel::OKAY) {
            return refuse(kind, address,
                          "is answered with error " + std::to_string(lite_.response));
        }
        return true;
    }

    // An access that fails leaves the machine usable: the next one starts anew.
    bool refuse(const char* kind, uint32_t address, const std::string& what) {
        lite_.reset();
        access_error = "AXI4-Lite " + std::string(kind) + " of address "
                       + std::to_string(address) + " " + what;
        return false;
    }
};

}  // namespace

extern "C" {

unsigned neuflow_bus_bytes() { return MemoryModel::BUS; }

Machine* neuflow_create(uint8_t* memory, const MemoryConfig* config) {
    return new Machine(memory, *config);
}

void neuflow_destroy(Machine* machine) { delete machine; }

void neuflow_configure(Machine* machine, const MemoryConfig* config) {
    machine->memory().configure(*config);
}

int neuflow_reset(Machine* machine, uint64_t cycles) { return machine->reset(cycles); }

int neuflow_run(Machine* machine, uint64_t cycles) { return machine->run(cycles); }

int neuflow_read(Machine* machine, uint32_t address, uint32_t* value) {
    return machine->read(address, value);
}

int neuflow_write(Machine* machine, uint32_t address, uint32_t value) {
    return machine->write(address, value);
}

// Runs while (register & mask) == value, looking every `interval` cycles; *changed says whether
// that ended within `limit` cycles.
int neuflow_run_while(Machine* machine, uint32_t address, uint32_t mask, uint32_t value,
                      uint64_t interval, uint64_t limit, int* changed) {
    const uint64_t end = machine->cycle + limit;
    *changed = 0;
    for (;;) {
        uint32_t word;
        if (!machine->read(address, &word)) return 0;
        if ((word & mask) != value) {
            *changed = 1;
            return 1;
        }
        if (machine->cycle >= end) return 1;
        const uint64_t left = end - machine->cycle;
        if (!machine->run(interval < left ? interval : left)) return 0;
    }
}

// Bytes for the serial line, of a machine that has one.
void neuflow_line_send(Machine* machine, const uint8_t* data, uint64_t count) {
    machine->line().to_send.insert(machine->line().to_send.end(), data, data + count);
}

uint64_t neuflow_line_pending(Machine* machine) { return machine->line().pending(); }

int neuflow_line_run(Machine* machine, uint64_t cycles) { return machine->run_line(cycles); }

// Takes at most `capacity` bytes that the line has brought; returns how many.
uint64_t neuflow_line_receive(Machine* machine, uint8_t* data, uint64_t capacity) {
    auto& received = machine->line().received;
    const uint64_t count = received.size() < capacity ? received.size() : capacity;
    for (uint64_t index = 0; index < count; ++index) {
        data[index] = received.front();
        received.pop_front();
    }
    return count;
}

uint64_t neuflow_cycle(const Machine* machine) { return machine->cycle; }

void neuflow_traffic(Machine* machine, uint64_t* bytes_read, uint64_t* bytes_written) {
    *bytes_read = machine->memory().bytes_read;
    *bytes_written = machine->memory().bytes_written;
}

// What made the last call that returned 0 fail.
const char* neuflow_error(const Machine* machine) {
    return machine->error.empty() ? machine->access_error.c_str() : machine->error.c_str();
}

// Only in a build that can trace; `half_period` in ps.
void neuflow_trace_open(Machine* machine, const char* path, uint64_t half_period) {
    machine->trace_open(path, half_period);
}
}
