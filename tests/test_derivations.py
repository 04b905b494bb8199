"""Every line holds, on every backend; no mutant survives; nothing that the sources state is forgotten."""
import functools

import pytest

from backends import use
from derivations.engine import line as lines, run

LINES = [line for topic in lines.topics() for line in lines.lines_of(topic)]
every_line = pytest.mark.parametrize("line", LINES, ids=lambda line: line.id)


@functools.cache
def row(line):
    return run.of_line(line)


@every_line
def test_the_line_holds_is_written_as_its_formula_and_every_change_of_it_is_noticed(line):
    wrong = row(line).wrong
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


@pytest.fixture(scope="module")
def functions():
    pages = [page.lines for topic in lines.topics() for page in lines.derivations_of(topic)]
    return run.merged(row for page in pages for row in run.of_functions(page))


def test_every_change_of_a_function_or_letter_that_lines_reach_is_noticed(functions):
    wrong = [text for row in functions for text in row.wrong]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_left_out(functions):
    _, complaints = run.whole([row(line) for line in LINES], functions)
    assert not complaints, "\n".join(complaints)
