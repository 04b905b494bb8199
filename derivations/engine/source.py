"""From a function back to the text that it was made of."""
import ast
import collections
import functools


@functools.cache
def _trees(path):
    """Every function and lambda of a file, by (first line, name) and, for lambdas, the columns."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    found = collections.defaultdict(list)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            found[min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.name].append(node)
        elif isinstance(node, ast.Lambda):
            found[node.lineno, "<lambda>"].append(node)
    return found


def tree_of(code):
    """The syntax tree that a code object was compiled from; of several lambdas on a line, the one whose body lies where
    the code's instructions do."""
    nodes = _trees(code.co_filename).get((code.co_firstlineno, code.co_name), [])
    if len(nodes) > 1:
        where = {(a, c) for a, _, c, _ in code.co_positions() if a is not None and c}
        nodes = [node for node in nodes if all(
            (node.body.lineno, node.body.col_offset) <= at <= (node.body.end_lineno, node.body.end_col_offset)
            for at in where)]
    return nodes[0] if nodes else None
