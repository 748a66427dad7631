"""Draw the page of a study: one offline HTML file."""

from pathlib import Path

ASSETS = Path(__file__).with_name("assets")
"""Templates, style and script of the page."""
