"""Trees of arrays: dicts, lists, tuples and named tuples, nested. The rest are leaves; None is a tree without any."""


def flatten(tree):
    """The leaves in order, and the structure of the tree: what is left of it when the leaves are taken off. Structures
    compare with ==, and `build` puts leaves on again."""
    if isinstance(tree, (dict, list, tuple)) or tree is None:
        leaves = []
        return leaves, _strip(tree, leaves)
    return [tree], True


def build(structure, leaves):
    """The tree of this structure that has these leaves."""
    return leaves[0] if structure is True else _grow(structure, iter(leaves))


def map(f, tree, *trees):
    """The tree of f(leaf, *leaves), of leaves at the same place. Raises ValueError where the structures differ."""
    leaves, structure = flatten(tree)
    columns = [leaves]
    for other in trees:
        others, theirs = flatten(other)
        if theirs != structure:
            shapes = build(structure, ["*"] * len(leaves)), build(theirs, ["*"] * len(others))
            raise ValueError("The trees differ: {} and {}; expected the same keys and lengths.".format(*shapes))
        columns.append(others)
    return build(structure, [f(*row) for row in zip(*columns)])


def leaves(tree):
    return flatten(tree)[0]


def named(tree):
    """The leaves in order by their path, of keys and positions: {"params/encoder/0/W": leaf}; "" where the tree is one.
    Raises ValueError where two have the same path."""
    found = {}
    _name(tree, (), found)
    return found


def from_named(template, named_leaves):
    """The tree of the template's structure with the leaves of these names. Raises ValueError where the names differ."""
    names   = named(template)
    missing = [name for name in names if name not in named_leaves]
    unknown = sorted(set(named_leaves) - set(names))
    if missing or unknown:
        lists = (f"{what} {', '.join(few[:5])}{f' and {len(few) - 5} more' if len(few) > 5 else ''}"
                 for what, few in (("missing", missing), ("not expected", unknown)) if few)
        raise ValueError(f"The names differ: {'; '.join(lists)}.")
    return build(flatten(template)[1], [named_leaves[name] for name in names])


def _name(tree, path, found):
    if isinstance(tree, (dict, list, tuple)):
        for key, child in tree.items() if isinstance(tree, dict) else enumerate(tree):
            _name(child, (*path, str(key)), found)
    elif tree is not None:
        name = "/".join(path)
        if name in found:
            raise ValueError(f"Two leaves are called {name}: a key has a slash, or is a number and text; rename it.")
        found[name] = tree


def _strip(tree, leaves):
    if isinstance(tree, dict):
        return dict, tuple(tree), tuple([_strip(t, leaves) for t in tree.values()])
    if isinstance(tree, (list, tuple)):
        return type(tree), None, tuple([_strip(t, leaves) for t in tree])
    if tree is not None:
        leaves.append(tree)
    return tree is not None


def _grow(structure, leaves):
    if isinstance(structure, bool):
        return next(leaves) if structure else None
    kind, keys, children = structure
    grown = [_grow(child, leaves) for child in children]
    if kind is dict:
        return dict(zip(keys, grown))
    return kind(*grown) if hasattr(kind, "_fields") else kind(grown)
