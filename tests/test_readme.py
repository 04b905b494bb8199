"""The README's Python runs as it is printed."""
import re
from pathlib import Path

import pytest

from derivations.book import road
from scratch.runs import listing, scoreboard

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()
BLOCKS = {re.search(r"from (\S+) import", block)[1]: block
          for block in re.findall(r"```python\n(.*?)```", README, re.S)}


def test_the_links_lead_to_pages_of_the_book_and_the_picture_is_there():
    root  = Path(__file__).resolve().parent.parent
    links = re.findall(r"\]\(book/(\w+)\.html\)", README)
    assert links == ["index", *road.ROAD]
    assert all((root / path).exists() for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README))


@pytest.mark.parametrize("imports, holds", [
    ("scratch.runs", lambda mu, Path, **_: mu.shape == (500, 16) and Path("comparison.html").exists()),
    ("backends.random",
     lambda state, metrics, **_: state.step == 100 and {*metrics} == {"loss", "reconstruction", "KL"}),
    ("scratch.metrics", lambda value, bias, error, **_: [round(float(v), 2) for v in (value, bias, error)]
     == [0.32, 0.33, 0.05]),
])
def test_the_code_runs_as_it_is_printed(imports, holds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"Path": Path}
    exec(BLOCKS[imports], names)
    assert holds(**names)


def between(name):
    return README.split(f"<!-- {name} -->\n")[1].split(f"\n<!-- /{name} -->")[0]


def test_the_table_of_the_models_is_the_one_that_the_command_prints():
    assert between("models") == listing.table(), "put the output of `scratch list --markdown` into the README"


def test_the_table_of_the_scoreboard_has_its_rows():
    names = [line.split(" (`")[0].strip("| ") for line in between("scoreboard").splitlines()[2:]]
    assert sorted(names) == sorted(scoreboard.ROWS)


def test_lines_of_code_are_those_that_do_something(tmp_path):
    (tmp_path / "a.py").write_text('"""A docstring\nof two lines."""\n\n# a comment\nx = 1    # beside code\n\n\n'
                                   'def f(x):\n    """Another."""\n    return (x +\n\n            "text")\n')
    assert listing.lines_of_code(tmp_path / "a.py") == 4            # x, def, and the two lines of return


def test_a_models_code_is_its_family_files_and_no_others():
    from scratch.models import MODELS
    files = [file.split("scratch/")[1] for file in listing.code(MODELS["vae"])]
    assert files[0] == "autoencoders/models.py" and "autoencoders/vae.py" in files
    assert all(file.split("scratch/")[1].startswith(entry.family + "/")
               for entry in MODELS.values() for file in listing.code(entry))
