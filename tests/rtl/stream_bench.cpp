// Drives any number of streams of a verilated module under random stalls; see stream_bench.py.
//
// Standard input holds commands, one a line, words in hexadecimal:
//   set PORT WORD            drive a port that belongs to no stream
//   tick N                   N clock cycles without stream traffic
//   send STREAM STALL COUNT WORD...
//   receive STREAM STALL SHY COUNT
//   run SEED CYCLES          until all streams are done
// Standard output holds `word STREAM WORD` for each word received, or one line `error TEXT`.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

namespace {

using Words = std::vector<std::uint32_t>;

// Width-independent access to a port: narrow ports are integers, wide ones arrays.
template <typename T>
void write(T &port, std::uint64_t value) { port = static_cast<T>(value); }
template <std::size_t N>
void write(VlWide<N> &port, const std::string &hex) {
    for (std::size_t word = 0; word < N; ++word) {
        const std::size_t end = hex.size() > 8 * word ? hex.size() - 8 * word : 0;
        const std::size_t begin = end > 8 ? end - 8 : 0;
        port[word] = end ? std::stoul(hex.substr(begin, end - begin), nullptr, 16) : 0;
    }
}
template <typename T>
void write(T &port, const std::string &hex) { write(port, std::stoull(hex, nullptr, 16)); }

struct Stream {
    std::uint64_t payload = 0;
    bool valid = false, ready = false;
    void (*drive)(Vtop &, Stream &) = nullptr;
    void (*sample)(Vtop &, Stream &) = nullptr;
    bool input = false;

    double stall = 0;
    bool shy = false, active = false;
    std::vector<std::uint64_t> words;
    std::size_t next = 0, count = 0;

    bool refused = false, seen = false;
    std::uint64_t held = 0;
};

std::map<std::string, Stream> streams;
std::map<std::string, void (*)(Vtop &, const std::string &)> ports;

#include "ports.h"

[[noreturn]] void fail(const std::string &text) {
    std::cout << "error " << text << std::endl;
    std::exit(0);
}

void edge(Vtop &top) {
    top.clk = 1;
    top.eval();
    top.clk = 0;
    top.eval();
}

void drive(Vtop &top) {
    for (auto &[name, stream] : streams) stream.drive(top, stream);
    top.eval();
    for (auto &[name, stream] : streams) stream.sample(top, stream);
}

void cycle(Vtop &top, std::mt19937_64 &random) {
    std::uniform_real_distribution<double> chance(0, 1);
    std::vector<std::pair<Stream *, bool>> offers;
    for (auto &[name, stream] : streams) {
        if (stream.input) {
            if (!stream.valid && stream.next < stream.words.size() && chance(random) >= stream.stall)
                stream.valid = true;
            if (stream.valid) stream.payload = stream.words[stream.next];
        } else {
            stream.ready = false;
        }
    }
    drive(top);
    for (auto &[name, stream] : streams)
        if (!stream.input) offers.emplace_back(&stream, stream.valid);
    for (auto &[name, stream] : streams)
        if (!stream.input)
            stream.ready = stream.active && stream.words.size() < stream.count &&
                           chance(random) >= stream.stall && (!stream.shy || stream.seen);
    drive(top);
    for (auto &[stream, valid] : offers)
        if (stream->valid != valid) fail("valid depends on ready");

    bool taken = false;
    for (auto &[name, stream] : streams) {
        if (stream.input) {
            if (stream.valid && stream.ready) {
                ++stream.next;
                taken = true;
            }
            continue;
        }
        if (stream.refused && !(stream.valid && stream.payload == stream.held))
            fail("offer withdrawn or changed at " + name);
        stream.refused = stream.valid && !stream.ready;
        stream.held = stream.payload;
        stream.seen = stream.refused;
        if (stream.valid && stream.ready) stream.words.push_back(stream.payload);
    }
    edge(top);
    if (taken)
        for (auto &[name, stream] : streams)
            if (stream.input && stream.valid && stream.ready) stream.valid = false;
}

bool done() {
    for (auto &[name, stream] : streams)
        if (stream.input ? stream.next < stream.words.size() : stream.words.size() < stream.count)
            return false;
    return true;
}

}  // namespace

int main() {
    VerilatedContext context;
    Vtop top(&context);
    describe();
    top.clk = 0;
    top.rst = 1;
    drive(top);
    edge(top);
    top.rst = 0;

    std::string command, name;
    while (std::cin >> command) {
        if (command == "set") {
            std::string value;
            std::cin >> name >> value;
            ports.at(name)(top, value);
        } else if (command == "tick") {
            int cycles;
            std::cin >> cycles;
            drive(top);
            while (cycles--) edge(top);
        } else if (command == "send") {
            std::size_t count;
            std::cin >> name;
            Stream &stream = streams.at(name);
            std::cin >> stream.stall >> count;
            stream.words.resize(count);
            std::cin >> std::hex;
            for (auto &word : stream.words) std::cin >> word;
            std::cin >> std::dec;
        } else if (command == "receive") {
            std::cin >> name;
            Stream &stream = streams.at(name);
            std::cin >> stream.stall >> stream.shy >> stream.count;
            stream.active = true;
        } else if (command == "run") {
            std::uint64_t seed, cycles, spent = 0;
            std::cin >> seed >> cycles;
            std::mt19937_64 random(seed);
            for (; !done(); ++spent) {
                if (spent == cycles) fail("still running after " + std::to_string(cycles) +
                                          " cycles: lost word or deadlock");
                cycle(top, random);
            }
            std::cout << "cycles " << spent << '\n';
        } else {
            fail("unknown command " + command);
        }
    }
    std::cout << std::hex;
    for (auto &[stream_name, stream] : streams)
        if (!stream.input)
            for (auto word : stream.words) std::cout << "word " << stream_name << ' ' << word << '\n';
    return 0;
}
