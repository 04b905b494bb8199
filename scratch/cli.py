"""The command line:  scratch list;  scratch train MODEL --data DATA ...;  scratch check [TOPIC ...]

Bad input gets one sentence on stderr and exit code 2; an interrupted training keeps what it learned and exits with 130.
"""
import argparse
import contextlib
import dataclasses
import os
import signal
import sys
import tempfile

from scratch.models import MODELS


class Parser(argparse.ArgumentParser):
    """argparse, but one sentence where it would print the usage too."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv=None):
    """Run the command line; returns the exit code."""
    arguments = vars(parser().parse_args(argv))
    command   = arguments.pop("command")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))         # leave as tidily as from Ctrl-C
    try:
        return command(**arguments)
    except BrokenPipeError:                                         # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        print(f"scratch: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scratch: interrupted; nothing was written.", file=sys.stderr)
        return 130


def parser():
    top = Parser(prog="scratch", description="Deep generative models, each plain array code beside its derivation.",
                 allow_abbrev=False)
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    p = commands.add_parser("list", help="the models and the data sets, a line each")
    p.set_defaults(command=list_all)

    train_ = commands.add_parser("train", help="train a model and write a report")
    models = train_.add_subparsers(required=True, metavar="MODEL")
    for name, entry in MODELS.items():
        p = models.add_parser(name, help=f"{entry.title} ({entry.paper})", description=f"{entry.title}. {entry.paper}.",
                              allow_abbrev=False, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        p.add_argument("--data",    default=entry.data, metavar="NAME",
                       help="a data set that `scratch list` names, or a .npy, .npz or .csv file of numbers")
        p.add_argument("--seed",    default=0, type=int, help="of all random numbers: the same seed repeats the run")
        p.add_argument("--steps",   default=entry.steps, type=int, help="the most steps to take")
        p.add_argument("--out",     metavar="DIR", default=argparse.SUPPRESS,
                       help="the folder to write; a new one under runs/ unless told otherwise")
        p.add_argument("--backend", default="numpy", choices=("numpy", "cupy", "strict"),
                       help="what computes: cupy is an NVIDIA GPU")
        for field in dataclasses.fields(entry.model):
            kind = field.metadata["kind"]
            p.add_argument(f"--{field.name.replace('_', '-')}", dest=field.name, default=field.default,
                           type=kind.parse, help=f"{field.metadata['help']}: {kind.expected}")
        p.set_defaults(command=train, name=name)

    p = commands.add_parser("check", help="check the derivations, and that every check can fail", allow_abbrev=False,
                            description="Check the derivations on drawn worlds: every line against the one before it, "
                            "and that no change of a formula goes unnoticed. The exit code is 1 if anything is wrong.")
    p.add_argument("names", nargs="*", metavar="TOPIC", help="elbo, slips, ..., or a line, elbo.bound; all unless told")
    p.add_argument("--backend", default="numpy", choices=("numpy", "cupy", "strict"),
                   help="what computes; formulas are changed on numpy alone")
    p.add_argument("--worlds", default=100, type=int, help="how many a line is compared on (100 unless told otherwise)")
    p.set_defaults(command=check)
    return top


def list_all():
    from scratch.data import DATA
    print("models")
    for name, entry in MODELS.items():
        print(f"  {name:14} {entry.title} ({entry.paper}); learns {entry.data} unless told otherwise")
    print("data")
    for name, (_, about) in DATA.items():
        print(f"  {name:14} {about}")
    return 0


def check(names, backend, worlds):
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", os.path.join(tempfile.gettempdir(), "hypothesis"))
    from backends import use
    from derivations.engine import line, run
    if worlds < 1:
        raise ValueError(f"--worlds {worlds}: expected at least 1.")
    names  = list(dict.fromkeys(names))
    single = [line.line_of(name) for name in names if "." in name]          # raise for what does not exist
    topics = [name for name in names if "." not in name and line.derivations_of(name)]
    with use(backend):
        rows, functions = run.run(topics if names else line.topics(), worlds)
        rows += [run.of_line(each, worlds, mutants=backend == "numpy") for each in single]
        print(*run.table(rows, by_line=bool(names)), sep="\n")
        for each in single:
            print(f"\n{line.explain_slip(line.check(each, worlds)) if each.relation == '!=' else line.shown(each)}")
    wrong = [text for row in rows for text in row.wrong]
    if not names and functions:
        where, complaints = run.whole(rows, functions)
        print(*run.told(where, functions), sep="\n")
        wrong += complaints
    wrong += [text for row in functions if not names or row.id in run.letters(topics) for text in row.wrong]
    for text in wrong:
        print(f"\n{text}", file=sys.stderr)
    return 1 if wrong else 0


def train(name, steps, **arguments):
    if steps < 1:
        raise ValueError(f"--steps {steps}: expected at least 1.")
    from scratch.runs import run
    with progress(steps) as show:
        folder, results = run(name, steps=steps, show=show, **arguments)
    test = results["test"]
    with contextlib.suppress(OSError):
        print(f"held-out log-likelihood {test['nats']:.3f} nats per example, {test['bits']:.4f} bits per dimension")
        print(f"{folder / 'report.html'}", flush=True)
    return 130 if results["interrupted"] else 0


class progress:
    """A bar on a terminal; elsewhere plain lines, of the first ten steps and of every tenth part of the rest."""

    def __init__(self, steps):
        self.bar, self.every = None, max(1, steps // 10)

    def __call__(self, step, steps, metrics):
        if self.bar is None and sys.stderr and sys.stderr.isatty():         # its clock starts with the first step
            from tqdm import tqdm
            self.bar = tqdm(total=steps, initial=step - 1, unit="step", leave=False)
        if self.bar is not None:
            self.bar.set_postfix(metrics)
            self.bar.update()
        elif step <= 10 or step % self.every == 0:
            shown = (f"{name} {value:.6g}" for name, value in metrics.items())
            with contextlib.suppress(OSError):                              # nobody reads it any more: learn on
                print(f"step {step} of {steps}", *shown, sep="  ", flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.close()
