"""The README's Python runs as it is printed."""
import re
from pathlib import Path

import pytest

from derivations.book import road

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()
BLOCKS = {block.split("\n")[0]: block for block in re.findall(r"```python\n(.*?)```", README, re.S)}


def test_the_links_lead_to_pages_of_the_book_and_the_picture_is_there():
    root  = Path(__file__).resolve().parent.parent
    links = re.findall(r"\]\(book/(\w+)\.html\)", README)
    assert links == ["index", *road.ROAD]
    assert all((root / path).exists() for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README))


@pytest.mark.parametrize("first", ["import numpy", "from backends.random import Stream"])
def test_the_code_runs_as_it_is_printed(first, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(BLOCKS[first], names)
    if first == "import numpy":
        assert names["mu"].shape == (500, 16) and (tmp_path / "comparison.html").exists()
    else:
        assert names["state"].step == 100 and {"loss", "reconstruction", "KL"} == set(names["metrics"])
