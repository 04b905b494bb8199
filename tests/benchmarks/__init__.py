"""Speed beside what a user would take instead:  python -m tests.benchmarks [NAME ...]

Every measurement is a process of its own, ours and the peer's in turn, five times each after one that does not count;
the medians and their ratio are printed, with the load of the machine. Nothing here is a test: no figure fails a run.
"""
