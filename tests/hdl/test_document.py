from pathlib import Path

from hdl.document import PAGE, register_page
from hdl.target import get_target


def test_the_page_is_what_the_hardware_has():
    page = Path(__file__).parents[2] / PAGE
    assert page.read_text(encoding="utf-8") == register_page(get_target("tiny")), \
        "run: python -m hdl.document"
