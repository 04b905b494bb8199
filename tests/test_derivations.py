"""Every line holds, on every backend, and its code is its formula. That no change of it survives, and that nothing of
what the sources state is forgotten, is asked where the book is written (test_browser)."""
import pytest

from backends import use
from derivations.engine import line as lines, run

LINES = [line for topic in lines.topics() for line in lines.lines_of(topic)]
every_line = pytest.mark.parametrize("line", LINES, ids=lambda line: line.id)


@every_line
def test_the_line_holds_and_is_written_as_its_formula(line):
    wrong = run.of_line(line, mutants=False).wrong
    assert not wrong, "\n".join(wrong)


@every_line
def test_the_line_holds_where_a_gpu_would_refuse(line):
    with use("strict"):
        wrong = lines.check(line, 20).wrong
    assert not wrong, wrong


@pytest.mark.gpu
@every_line
def test_the_line_holds_on_a_gpu(line):
    with use("cupy"):
        wrong = lines.check(line, 20).wrong
    assert not wrong, wrong
