"""The firmware of the control processor: source, build and the words that are loaded."""

from pathlib import Path

__all__ = ["HEX", "firmware_words"]

#: The built firmware, a word a line in hexadecimal.
HEX = Path(__file__).parent / "firmware.hex"


def firmware_words():
    """Return the words of the built firmware, from address 0 on."""
    return [int(line, 16) for line in HEX.read_text(encoding="ascii").split()]
