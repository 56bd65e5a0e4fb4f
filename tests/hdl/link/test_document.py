from pathlib import Path

from hdl.link.document import PAGE, link_page
from hdl.link.protocol import ANSWER_TEXTS, OPERATION_TEXTS, Answer, Operation


def test_the_page_is_that_of_the_protocol():
    root = Path(__file__).resolve().parents[3]
    assert (root / PAGE).read_text(encoding="utf-8") == link_page(), \
        "write it again: python -m hdl.link.document"


def test_every_code_is_explained():
    assert OPERATION_TEXTS.keys() == set(Operation) and ANSWER_TEXTS.keys() == set(Answer)
