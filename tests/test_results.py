"""The page of results, and README's tables of results, say what the files of the runs say."""

import pytest

from benchmarks import results, tables


@pytest.mark.parametrize("path", [results.PAGE, results.README], ids=lambda path: path.name)
def test_the_page_is_what_the_files_say(path):
    assert path.read_text("utf-8") == results.pages()[path]
    assert tables.NAMES["early"] in path.read_text("utf-8")
