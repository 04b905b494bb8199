"""The command line:  scratch train MODEL --data DATA ...;  scratch sample | evaluate | resume | report DIR;
scratch list;  scratch scoreboard;  scratch check [TOPIC ...];  scratch book

Bad input gets one sentence on stderr and exit code 2. Ctrl-C and SIGTERM save a training and exit with 130 and 143.
"""
import argparse
import contextlib
import dataclasses
import io
import itertools
import os
import shlex
import signal
import sys
import tempfile
from pathlib import Path

from scratch.models import BACKENDS, MODELS


class Parser(argparse.ArgumentParser):
    """argparse, but one sentence where it would print the usage too."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv=None):
    """Run the command line; returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))         # leave as tidily as from Ctrl-C
    keep_pages()
    try:
        arguments = vars(parser().parse_args(argv))
        return arguments.pop("command")(**arguments)
    except BrokenPipeError:                                         # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except MemoryError as error:
        print(f"scratch: there is not enough memory for that: {error}", file=sys.stderr)
        return 2
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        print(f"scratch: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("scratch: interrupted.", file=sys.stderr)
        return 130


def keep_pages():
    """Let glibc keep the memory that arrays give back: asking for it anew costs a third of a training step."""
    import ctypes
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-3, 1 << 30)                                        # M_MMAP_THRESHOLD
        mallopt(-1, (1 << 31) - 1)                                  # M_TRIM_THRESHOLD


def parser():
    from scratch.metrics import FEATURES, MEASURES
    top = Parser(prog="scratch", description="Deep generative models, each plain array code beside its derivation.",
                 allow_abbrev=False)
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    p = commands.add_parser("list", help="the models and the data sets, a line each", allow_abbrev=False)
    p.add_argument("--markdown", action="store_true", help="the models as the table of the README")
    p.set_defaults(command=list_all)

    models = commands.add_parser("train", help="train a model and write a report", allow_abbrev=False,
                                 description="Train a model. It leaves a folder with checkpoints and a report.")
    models = models.add_subparsers(required=True, metavar="MODEL")
    for name, entry in MODELS.items():
        p = models.add_parser(name, help=f"{entry.title} ({entry.paper})", description=f"{entry.title}. {entry.paper}.",
                              allow_abbrev=False, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        p.add_argument("--data",    default=entry.data, metavar="NAME|PATH", help="what `scratch list` names, or a "
                       "file or folder of yours: numbers (.npy, .npz, .csv), images, MNIST's or CIFAR-10's files, text")
        p.add_argument("--seed",    default=0, type=int, help="of all random numbers: the same seed repeats the run")
        p.add_argument("--steps",   default=entry.steps, type=int, help="the most steps to take")
        p.add_argument("--every",   metavar="N", default=argparse.SUPPRESS, type=int,
                       help="steps between checkpoints; a twentieth of --steps unless told otherwise")
        p.add_argument("--out",     metavar="DIR", default=argparse.SUPPRESS,
                       help="the folder to write; a new one under runs/ unless told otherwise")
        _backend(p, default="numpy")
        for field in dataclasses.fields(entry.model):
            kind, default = field.metadata["kind"], entry.defaults.get(field.name, field.default)
            if isinstance(default, tuple):
                default = ",".join(map(str, default))
            p.add_argument(f"--{field.name.replace('_', '-')}", dest=field.name, type=kind.parse, metavar=kind.metavar,
                           default=argparse.SUPPRESS if default in (None, "") else default,
                           help=f"{field.metadata['help']}: {kind.expected}")
        p.set_defaults(command=train, name=name)

    p = _on_run(commands, "resume", resume, "go on with a run that ended early, or to more steps")
    p.add_argument("--steps", metavar="N", default=argparse.SUPPRESS, type=int,
                   help="go on to this step; what the run was asked for unless told otherwise")
    _backend(p)
    p = _on_run(commands, "sample", sample, "draw examples from what a run learned")
    p.add_argument("--n",    metavar="N", default=64, type=int, help="how many; 64 unless told otherwise")
    p.add_argument("--seed", metavar="N", default=0, type=int, help="of the draw; 0 unless told otherwise")
    p.add_argument("--label", metavar="N", default=argparse.SUPPRESS, type=int,
                   help="of all of them, where it was told labels; a random one of each unless told otherwise")
    fields = itertools.chain(*(dataclasses.fields(entry.model) for entry in MODELS.values()))
    for name, field in {field.name: field for field in fields if field.metadata["sampling"]}.items():
        kind = field.metadata["kind"]
        p.add_argument(f"--{name}", type=kind.parse, metavar=kind.metavar, default=argparse.SUPPRESS,
                       help=f"{field.metadata['help']}: {kind.expected}; what the run has unless told otherwise")
    p.add_argument("--out",  metavar="FILE", default=argparse.SUPPRESS,
                   help="a new .npy file for the examples, and a .png beside it where they are images; "
                   "DIR/samples/seed-N.npy unless told otherwise")
    p = _on_run(commands, "evaluate", evaluate, "judge what a run learned on the data it was held from, or on others")
    p.add_argument("--data",  metavar="NAME|PATH", default=argparse.SUPPRESS, help="other data, of the same shape")
    p.add_argument("--draws", metavar="K", default=100, type=int,
                   help="draws of an example for a bound: of codes, or of steps of a chain; 100 unless told otherwise")
    p.add_argument("--measures", metavar="NAME,NAME", default=argparse.SUPPRESS, help="these instead, with biases and "
                   "standard errors, which are conservative: up to twice the true spread where samples and test data "
                   f"are alike; all, or some of {', '.join(MEASURES)}")
    p.add_argument("--features", metavar="NAME", default=argparse.SUPPRESS, help="what --measures takes distances "
                   f"between samples in: {', '.join(FEATURES)}; the first unless told otherwise")
    p.add_argument("--samples", metavar="N", default=argparse.SUPPRESS, type=int,
                   help="how many --measures draws; 1000 unless told otherwise")
    p = _on_run(commands, "report", report, "write the report of a run again, or one that shows several side by side",
                many=True)
    p.add_argument("--out", metavar="FILE", default=argparse.SUPPRESS,
                   help="where runs are shown side by side; a new comparison.html unless told otherwise")

    p = commands.add_parser("scoreboard", help="train every model with a law on 3 x 3 binary images, and say how far "
                            "each is from the truth", allow_abbrev=False, description="Train every model with a law on "
                            "3 x 3 binary images, and find its exact KL, in nats, from the uniform law on the 14 whose "
                            "rows or columns are constant. It takes some minutes, and writes a table and a picture.")
    p.add_argument("--out",  default="scoreboard", metavar="DIR", help="the folder (%(default)s unless told otherwise)")
    p.add_argument("--seed", default=0, type=int, help="of all random numbers (%(default)s unless told otherwise)")
    p.set_defaults(command=scoreboard)

    p = commands.add_parser("check", help="check the derivations, and that every check can fail", allow_abbrev=False,
                            description="Check the derivations on drawn worlds: every line against the one before it, "
                            "and that no change of a formula goes unnoticed. The exit code is 1 if anything is wrong.")
    p.add_argument("names", nargs="*", metavar="TOPIC", help="elbo, slips, ..., or a line, elbo.bound; all unless told")
    _backend(p, default="numpy", more="; formulas are changed on numpy alone")
    p.add_argument("--worlds", default=100, type=int, help="how many a line is compared on (100 unless told otherwise)")
    p.set_defaults(command=check)

    p = commands.add_parser("book", help="write the derivations as pages to read", allow_abbrev=False,
                            description="Check the derivations, and write them as pages: mathematics beside the code "
                            "that evaluates it, in a folder that opens from disk. It takes about a minute.")
    p.add_argument("--out",   default="book", metavar="DIR", help="the folder (%(default)s unless told otherwise)")
    p.add_argument("--serve", action="store_true", help="then show it at http://127.0.0.1:8000, or where that port is "
                   "taken at another, until Ctrl-C")
    p.set_defaults(command=book)
    return top


def _backend(p, default=argparse.SUPPRESS, more=""):
    p.add_argument("--backend", default=default, choices=BACKENDS,
                   help=f"what computes: cupy is an NVIDIA GPU, strict a stand-in for it{more}")


def _on_run(commands, name, command, help, many=False):
    p = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False)
    p.add_argument("folders" if many else "folder", metavar="DIR", nargs="+" if many else None,
                   help="the folder of a run, as `scratch train` leaves it")
    p.set_defaults(command=command)
    return p


def list_all(markdown):
    from scratch.data import DATA
    if markdown:
        from scratch.runs import listing
        print(listing.table())
        return 0
    print("models")
    for name, entry in MODELS.items():
        print(f"  {name:14} {entry.title} ({entry.paper}); learns {entry.data} unless told otherwise")
    print("data")
    for name, (_, about) in DATA.items():
        print(f"  {name:14} {about}")
    folder = os.environ.get("SCRATCH_DATA")
    print("  and your own: a path, or a name in the folder SCRATCH_DATA, which",
          f"has {', '.join(sorted(os.listdir(folder)))}" if folder else "is not set")
    return 0


def scoreboard(out, seed):
    from scratch.runs import scoreboard as board
    with board.new(out) as folder:
        scores = []
        for score in board.play(seed):
            scores.append(score)
            board.write(folder, scores)                         # what is there already, should it end here
            print(f"{score.name}: {score.kl:.3g} nats from the truth, after {score.seconds:.0f} s", flush=True)
    print(folder / "scoreboard.md", folder / "scoreboard.svg", sep="\n")
    far = [f"{s.name} is {s.kl:.3g} nats away, where {s.row.most:g} are promised" for s in scores if s.kl > s.row.most]
    print(*far, sep="\n", end="\n" * bool(far), file=sys.stderr)
    return 1 if far else 0


def check(names, backend, worlds):
    _store_of_hypothesis()
    from backends import use
    from derivations.engine import line, run
    if worlds < 1:
        raise ValueError(f"--worlds {worlds}: expected at least 1.")
    names  = list(dict.fromkeys(names))
    single = [line.line_of(name) for name in names if "." in name]          # raise for what does not exist
    topics = [name for name in names if "." not in name and line.derivations_of(name)]
    with use(backend):
        rows, functions = run.run(topics if names else line.topics(), worlds, _bar)
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


def book(out, serve):
    _store_of_hypothesis()
    from derivations import book
    wrong = book.build(out, _bar)
    for text in wrong:
        print(f"\n{text}", file=sys.stderr)
    print(os.path.join(out, "index.html"), flush=True)
    if serve:
        with contextlib.suppress(KeyboardInterrupt):
            book.serve(out, lambda address: print(f"{address}  (Ctrl-C ends it)", flush=True))
    return 1 if wrong else 0


def _store_of_hypothesis():
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", os.path.join(tempfile.gettempdir(), "hypothesis"))


def _bar(done, total):
    """What is done, with a bar on a terminal."""
    from tqdm import tqdm
    return tqdm(done, total=total, unit="page", leave=False, disable=None)


def train(name, steps, **arguments):
    from scratch.runs import run
    with progress(steps) as show:
        return told(*run(name, steps=steps, show=show, **arguments))


def resume(folder, steps=None, **arguments):
    from scratch.runs import config, resume
    with progress(steps or config.read(folder)["steps"]) as show:
        return told(*resume(folder, steps, show=show, **arguments))


def told(folder, results):
    """Say how a training ended; the exit code."""
    if differ := results.get("differences"):
        print(f"scratch: the bits may differ from those of an unbroken run: {'; '.join(differ)}.", file=sys.stderr)
    with contextlib.suppress(OSError):
        if results["signal"]:
            print(f"interrupted at step {results['step']}, which is saved; to go on: "
                  f"scratch resume {shlex.quote(str(folder))}")
        else:
            samples = results.get("samples", {})
            means("test", {name: value for name, value in results["test"].items()         # another draw of the same
                           if name not in samples.get("This model", {})})
            worth(samples)
            print(f"{folder / 'report.html'}", flush=True)
    return 128 + results["signal"] if results["signal"] else 0


def means(part, values):
    from scratch.runs.baselines import NO_NATS
    for name, (value, error) in ((name, value) for name, value in values.items() if name != "n"):
        unit = "" if name in NO_NATS else " nats"
        print(f"{part} {name}: {value:.4f}{unit}", f"(standard error {error:.4f})" if error else "")


def worth(samples):
    """What samples of the model are worth, a line for each figure of BRIEF, beside the same of other samples."""
    from scratch.metrics import BRIEF, MEASURES
    this, *others = samples.items() or [("", {})]
    brief = [MEASURES[name].title for name in BRIEF]
    for name, value in ((name, value) for name, value in this[1].items() if name in brief):
        beside = (f"{what[0].lower()}{what[1:]} {figures[name]:.4g}" for what, figures in others if name in figures)
        print(f"samples {name}: {value:.4g} ({', '.join(beside)})")


def sample(folder, n, seed, out=None, **how):
    import numpy
    from scratch.runs import baselines, config, figures as pictures, files, sample
    told    = "".join(f"-{name}-{value}" for name, value in how.items())
    default = Path(folder) / "samples" / f"seed-{seed}{told}.npy"
    out     = default if out is None else Path(out)
    if out.suffix != ".npy" or out != default and not out.parent.is_dir():
        raise ValueError(f"--out {out}: expected a name that ends in .npy, in a folder that is there.")
    x = sample(folder, n, seed, **how)
    if os.path.lexists(out):
        raise FileExistsError(f"{out} exists already; choose another --out, or remove it.")
    out.parent.mkdir(exist_ok=True)
    numpy.save(whole := io.BytesIO(), x)
    files.write(out, whole.getbuffer())
    print(f"{out}: {x.dtype} {list(x.shape)}")
    asked = config.read(folder)
    if len(asked["shape"]) > 1:
        files.write(out.with_suffix(".png"), pictures.image_grid(x, asked["shape"], baselines.levels_seen(asked)))
        print(out.with_suffix(".png"))
    return 0


def evaluate(folder, **arguments):
    from scratch.runs import evaluate
    if "measures" in arguments:
        return by_measures(folder, **arguments)
    if alone := {"features", "samples"} & set(arguments):
        raise ValueError(f"--{min(alone)} is for measures; say which, with --measures (all, or their names).")
    results = evaluate(folder, **arguments)
    samples = results.pop("samples", {})
    for part, values in results.items():
        print(f"{part} examples: {values['n']}")
        means(part, values)
    worth(samples)
    return 0


def by_measures(folder, measures, **arguments):
    """A line for each measure of a run; those that it does not have are named, or refused where they were asked for."""
    from scratch.metrics import MEASURES
    from scratch.runs import measured
    found, why = measured(folder, measures, **arguments)
    if why and "all" not in map(str.strip, measures.split(",")):
        raise ValueError("; ".join(f"{name} of {folder} is not measured: {reason}" for name, reason in why.items()))
    for m in found.values():
        error    = "" if m.error is None else f"standard error {round(m.error, 12):.2g}"
        bias     = "" if m.bias is None else f"bias {m.bias:.2g}" if m.bias else "no bias"
        training = "" if m.training is None else f"training data {m.training:.4g}"
        spread   = ", ".join(filter(None, (error, bias)))
        print(f"{m.title}: {m.value:.4g} ({'; '.join(filter(None, (spread, m.of, training)))})")
    for reason in dict.fromkeys(why.values()):
        print(f"not measured: {', '.join(MEASURES[name].title for name in why if why[name] == reason)}: {reason}")
    return 0


def report(folders, out=None):
    from scratch.runs import report
    print(report(*folders, out=out))
    return 0


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
