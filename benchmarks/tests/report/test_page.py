from typing import Any

import pytest
from jinja2 import UndefinedError

from mtneuro_suite.report.page import filled

EMPTY: dict[str, Any] = {"boards": [], "makers": [], "newest": "2026-01-02"}


def test_values_are_escaped_and_a_missing_one_is_an_error():
    assert "version &lt;1&gt; of the suite" in filled("leaderboard.html.j2", **EMPTY, suite_version="<1>")
    with pytest.raises(UndefinedError, match="suite_version"):
        filled("leaderboard.html.j2", **EMPTY)
