"""The report of a compiled program: one HTML page that needs nothing else; see `write_report`."""

from .page import report_page, write_report

__all__ = ["report_page", "write_report"]
