"""Compiled bench for components with streams: 10^5 words under random stalls in a second.

The bench checks the stream rules on every output in every cycle: an offer stays until it is taken,
and valid does not change with ready.
"""

import subprocess
from pathlib import Path

from amaranth.back import verilog
from amaranth.hdl import Value
from amaranth.lib.wiring import In

from sim.rtl.toolchain import Recipe, build

_BENCH = Path(__file__).with_suffix(".cpp")
_STREAM = ("payload", "valid", "ready")


def _encoded(signal):
    """Name of a port in Verilator's C++, where two underscores in a row have a meaning."""
    return signal.name.replace("__", "___05F")


class StreamBench:
    """A component compiled with the bench; names are paths of its signature joined by dots.

    Parameters
    ----------
    component : Component
        Any, of any number of streams with payloads of at most 64 bits.
    """

    def __init__(self, component):
        leaves = {path: (member.flow, Value.cast(value))
                  for path, member, value in component.signature.flatten(component)}
        # A stream is what has a payload, valid and ready; the rest are ports of their own.
        self._streams, self._ports = {}, {}
        for path, (flow, value) in leaves.items():
            stream = {name: leaves.get((*path[:-1], name)) for name in _STREAM}
            if path[-1] not in _STREAM or None in stream.values():
                if flow == In:
                    self._ports[".".join(map(str, path))] = value
            elif path[-1] == "valid":
                signals = {name: leaf[1] for name, leaf in stream.items()}
                self._streams[".".join(map(str, path[:-1]))] = (flow == In, signals)
        text = verilog.convert(component, name="top", emit_src=False)
        self._program = build(Recipe(
            top="top", verilog={"top.v": text}, product="stream_bench",
            cpp={"stream_bench.cpp": _BENCH.read_text(), "ports.h": self._header()}))
        self._commands = []

    def _header(self):
        lines = ["void describe() {"]
        for name, (is_input, signals) in self._streams.items():
            payload, valid, ready = (_encoded(signals[part]) for part in _STREAM)
            if is_input:
                drive = f"write(top.{payload}, s.payload); top.{valid} = s.valid;"
                sample = f"s.ready = top.{ready};"
            else:
                drive = f"top.{ready} = s.ready;"
                sample = f"s.payload = top.{payload}; s.valid = top.{valid};"
            lines += [f'  streams["{name}"].input = {int(is_input)};',
                      f'  streams["{name}"].drive = [](Vtop &top, Stream &s) {{ {drive} }};',
                      f'  streams["{name}"].sample = [](Vtop &top, Stream &s) {{ {sample} }};']
        lines += [f'  ports["{name}"] = [](Vtop &top, const std::string &hex) '
                  f'{{ write(top.{_encoded(port)}, hex); }};' for name, port in self._ports.items()]
        return "\n".join([*lines, "}", ""])

    def set(self, port, value):
        """Drive an input that belongs to no stream."""
        self._commands.append(f"set {port} {value & (1 << len(self._ports[port])) - 1:x}")

    def tick(self, cycles=1):
        """Let the clock run."""
        self._commands.append(f"tick {cycles}")

    def pulse(self, port):
        """Raise a port for one cycle."""
        self.set(port, 1)
        self.tick()
        self.set(port, 0)

    def send(self, name, words, stall):
        """Send words into a stream, pausing with probability ``stall`` before each."""
        width = len(self._streams[name][1]["payload"])
        words = " ".join(f"{word & (1 << width) - 1:x}" for word in words)
        self._commands.append(f"send {name} {stall} {words.count(' ') + 1} {words}")

    def receive(self, name, count, stall, shy=False):
        """Take words from a stream, refusing a cycle with probability ``stall``."""
        self._commands.append(f"receive {name} {stall} {int(shy)} {count}")

    def run(self, seed, cycles):
        """Run until all streams are done; return the words of each output, as signed numbers."""
        self._commands.append(f"run {seed} {cycles}")
        answer = subprocess.run([self._program], input="\n".join(self._commands), text=True,
                                capture_output=True, check=True)
        self._commands = []
        outputs = {name: [] for name, (is_input, _) in self._streams.items() if not is_input}
        for line in answer.stdout.splitlines():
            kind, *rest = line.split(maxsplit=1)
            if kind == "error":
                raise AssertionError(rest[0])
            if kind == "word":
                name, word = rest[0].split()
                sign = 1 << len(self._streams[name][1]["payload"]) - 1
                outputs[name].append((int(word, 16) ^ sign) - sign)
        return outputs
