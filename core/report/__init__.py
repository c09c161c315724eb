"""The history of trials as a document: gathered from the saved files, written as HTML or Markdown."""

from core.report.content import Report, make_report
from core.report.html import write_html
from core.report.markdown import write_markdown

__all__ = ["Report", "make_report", "write_html", "write_markdown"]
