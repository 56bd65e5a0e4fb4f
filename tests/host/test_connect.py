import contextlib
import os
import pty
import re
import socket
import threading
import tty

import pytest

from host.transports.connect import SerialPipe, connect, parse
from host.transports.link import LinkError
from tests.host.test_bad_input import folder  # noqa: F401
from tests.host.test_link_transport import Board


@pytest.mark.parametrize("text, found", [
    ("tcp:localhost:7000", ("tcp", "localhost", 7000)), ("tcp:[::1]:1", ("tcp", "::1", 1)),
    ("serial:/dev/ttyUSB0@1000000", ("serial", "/dev/ttyUSB0", 1_000_000)),
    ("serial:COM3@9600", ("serial", "COM3", 9600))])
def test_transports(text, found):
    place = parse(text)
    assert (place.kind, place.name, place.number) == found


BAD = [
    ("usb:1", "unknown transport 'usb:1'; it must be serial:DEVICE@BAUD or tcp:HOST:PORT"),
    ("tcp", "unknown transport 'tcp'"),
    ("tcp:localhost", "lacks its port"), ("tcp::80", "lacks its port"),
    ("tcp:localhost:70000", "the port must be a number from 1 to 65535, not '70000'"),
    ("serial:/dev/ttyUSB0", "lacks its baud rate"),
    ("serial:/dev/ttyUSB0@fast", "the baud rate must be a number from 1 to 100000000, not 'fast'"),
    ("serial:/dev/ttyUSB0@0", "the baud rate must be a number"),
    ("serial:/dev/absent@9600", "cannot open /dev/absent: No such file or directory"),
    ("serial:/dev/null@9600", "cannot open /dev/null"),
]


@pytest.mark.parametrize("text, says", BAD)
def test_bad_transports(text, says):
    with pytest.raises(LinkError, match=re.escape(says)):
        connect(text)


def test_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        text = f"tcp:127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(LinkError, match=f"{text}: cannot connect: Connection refused"):
            connect(text)


def test_a_time_out_must_be_positive():
    with pytest.raises(LinkError, match="must be positive, not 0 s"):
        connect("tcp:localhost:1", 0)


@pytest.fixture
def line():
    """A board at a pseudo-terminal: its name, and a function that cuts the line."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    board, open_ends = Board(), [ours, theirs]

    def serve():
        with contextlib.suppress(OSError):  # the line was cut
            while data := os.read(ours, 4096):
                board.send(data)
                os.write(ours, board.receive(0))

    def cut():
        while open_ends:
            os.close(open_ends.pop())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield os.ttyname(theirs), cut
    cut()
    thread.join(5)


def test_a_serial_port(line):
    name, _ = line
    link = connect(f"serial:{name}@1000000")
    data = bytes(range(256)) * 5
    link.write_memory(4, data)
    link.write32(8, 0x7E7D1113)  # with the characters that terminals act on
    assert link.read_memory(4, len(data)) == data and link.read32(8) == 0x7E7D1113
    with pytest.raises(LinkError, match=f"cannot open {name}: "):
        SerialPipe(name, 1_000_000, "again")
    link.close()


def test_a_serial_port_that_goes_away(line):
    name, cut = line
    link = connect(f"serial:{name}@115200", 0.2)
    cut()
    with pytest.raises(LinkError, match="write memory, 64 words from 0x0 on: "):
        link.write_memory(0, bytes(256))
    link.close()


@pytest.mark.parametrize("options, says", [
    (("--backend", "board"), ["--backend board needs --transport", "tcp:HOST:PORT"]),
    (("--transport", "tcp:a:1"), ["--transport tcp:a:1", "use --backend board"]),
    (("--timeout", "2"), ["--timeout 2", "use --backend board"]),
    (("--backend", "board", "--transport", "tcp:a:1", "--jobs", "2"), ["leave out --jobs"]),
    (("--backend", "board", "--transport", "tcp:a:1", "--trace", "x.fst"), ["has no waves"]),
    *((("--backend", "board", "--transport", text), [says]) for text, says in BAD[:-2])])
def test_run_refuses(folder, options, says):  # noqa: F811
    folder.refuses("run", "absent.neuflow", "absent.npy", *options, says=says)


@pytest.mark.parametrize("text, says", BAD)
def test_board_refuses(folder, text, says):  # noqa: F811
    folder.refuses("board", "--transport", text, says=[says])


@pytest.mark.parametrize("where", ["localhost", "127.0.0.1:http", "127.0.0.1:70000", "7000"])
def test_simulate_refuses_an_address(folder, where):  # noqa: F811
    folder.refuses("simulate", "--listen", where, says=[f"--listen {where}", "must be HOST:PORT"])


def test_simulate_refuses_what_is_taken_unknown_or_not_to_be_written(folder):  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        folder.refuses("simulate", "--listen", f"127.0.0.1:{port}",
                       says=["Address already in use", "port 0"])
    folder.refuses("simulate", "--listen", "no.such.host.invalid:0", says=["no.such.host.invalid"])
    folder.refuses("simulate", "--target", "large", says=["unknown target 'large'"])
    folder.refuses("simulate", "--trace", "waves.txt", says=["waves.txt", ".fst or .vcd"])
