"""Batches in a fresh order each epoch, as pure functions of a stream and a step."""
from scratch.data.checks import check_integer


def batches(data, size, stream, start=0):
    """Endless batches of `size` examples from a dict of equally long arrays, from step `start` on.

    Epoch e follows the permutation stream(e): every example once. The last batch of an epoch is short where size does
    not divide N. Batch s is the same whatever `start` was, so a resumed run goes on with the batches it would have had.
    Raises ValueError unless 1 <= size <= N, start >= 0 and the arrays are equally long.
    """
    steps = steps_per_epoch(data, size)
    return _endless(data, size, stream, steps, check_integer(start, "start", 0))


def steps_per_epoch(data, size):
    """How many batches hold every example of `data` once."""
    lengths = {name: len(a) for name, a in data.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"The arrays have {lengths or 'no'} rows; expected one number of examples for all.")
    N = len(next(iter(data.values())))
    return -(-N // check_integer(size, "size", 1, N))


def _endless(data, size, stream, steps, start):
    epoch, first = divmod(start, steps)
    N = len(next(iter(data.values())))
    while True:
        order = stream(epoch).permutation(N)
        for i in range(first, steps):
            yield {name: a[order[i * size:(i + 1) * size]] for name, a in data.items()}
        epoch, first = epoch + 1, 0
