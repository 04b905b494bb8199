"""The book: the derivations as pages that people read. `scratch book` writes it; it opens from disk, without a net."""
import functools
import html
import http.server
import importlib.util
import io
import json
import re
from pathlib import Path

from derivations.book import index, mathml, pages, pictures
from derivations.book.dice import rolled
from derivations.engine import line as lines, run


def build(out, show=lambda done, total: done):
    """Check all lines, try all changes, draw all pictures, and write the pages into the folder `out`; what is wrong, as
    sentences. What `show(done, total)` makes of the derivations that are done is gone through, to tell of progress.
    Raises ValueError where the folder holds something else."""
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir()) and not (out / "book.css").exists()):
        raise ValueError(f"--out {out}: there is something that is no book; expected a new folder, or one with a book.")
    for folder in ("code", "pictures", "learned"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for name in ("book.css", "book.js", *(f"learned/{path.name}" for path in pages.LEARNED.iterdir())):
        (out / name).write_bytes((pages.HERE / name).read_bytes())
    every = [d for topic in lines.topics() for d in lines.derivations_of(topic)]
    shown = [(topic, picture.name) for topic in lines.topics() for picture in pictures.of(topic)]
    with run.workers(True) as do:
        drawn = do(_drawn, shown)
        found = list(show(do(_checked, [(d.topic, lines.derivations_of(d.topic).index(d)) for d in every]), len(every)))
        drawn = dict(zip(shown, drawn))
    rows      = [row for some, _, _ in found for row in some]
    functions = run.merged(row for _, some, _ in found for row in some)
    where, complaints = run.whole(rows, functions)
    wrong = [text for row in (*rows, *functions) for text in row.wrong] + complaints
    book  = pages.Book(rows, functions, {d: roll for d, (_, _, roll) in zip(every, found)},
                       {name: caption for name, (_, caption) in drawn.items()})
    made  = {"index.html": index.index(book, where, wrong), "symbols.html": index.symbols(book),
             "functions.html": index.all_functions(book),
             **{f"{topic}.html": pages.topic(book, topic) for topic in book.pages},
             **{pages.address(name): index.function(book, name) for name in book.functions}}
    texts = {name: document(name, *page) for name, page in made.items()}
    for old in {path for path in (*out.glob("*.html"), *out.glob("code/*.html"))} - {out / name for name in texts}:
        old.unlink()
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    for (topic, name), (svg, _) in drawn.items():
        (out / "pictures" / f"{topic}-{name}.svg").write_text(svg, encoding="utf-8")
    (out / "math.woff").write_bytes(font(mathml.characters("".join(texts.values()))))
    return wrong


def _checked(job):
    topic, i = job
    return *run.of_page((topic, i, lines.WORLDS, True)), rolled(lines.derivations_of(topic)[i])


def _drawn(job):
    topic, name = job
    return next(picture for picture in pictures.of(topic) if picture.name == name).drawn()


def document(name, title, body, data):
    """A page around its body."""
    root = "../" * name.count("/")
    home = "" if name == "index.html" else f'<nav class=top><a href="{root}index.html">The road</a> ' \
           f'<a href="{root}symbols.html">Symbols</a> <a href="{root}functions.html">Functions</a></nav>'
    lit  = "".join(f"section:has([data-letter={name}]:hover) [data-letter={name}] {{ background: var(--lit) }} "
                   for name in sorted(set(re.findall(r'data-letter="(\w+)"', body))))    # a letter, wherever it stands
    data = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/") if data else ""
    return (f'<!doctype html><html lang=en><head><meta charset=utf-8><title>{html.escape(title)}</title>'
            '<meta name=viewport content="width=device-width, initial-scale=1">'
            f'<link rel=stylesheet href="{root}book.css">'
            + (f"<style>{lit}</style>" if lit else "") +
            f'<script defer src="{root}book.js"></script></head><body>{home}<main>{body}</main>'
            + (f'<script type="application/json" id=book-data>{data}</script>' if data else "") + "</body></html>\n")


def font(characters):
    """STIX Two Math (OFL), no more of it than the characters need."""
    from fontTools import subset
    from fontTools.ttLib import TTFont
    package = Path(importlib.util.find_spec("ziamath").origin).parent           # only its font is wanted: no import
    whole   = TTFont(package / "fonts" / "STIXTwoMath-Regular.ttf")
    options = subset.Options(layout_features=["*"], name_IDs=["*"], drop_tables=[*subset.Options().drop_tables, "DSIG"])
    some    = subset.Subsetter(options)
    some.populate(text="".join(sorted(characters)))
    some.subset(whole)
    whole.flavor, written = "woff", io.BytesIO()
    whole.save(written)
    return written.getvalue()


def serve(out, tell, port=8000):
    """Serve the folder on the loopback address alone, at that port or, where it is taken, at a free one: `tell` its
    address, and serve until interrupted."""
    handler = functools.partial(Quiet, directory=str(out))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with server:
        tell(f"http://127.0.0.1:{server.server_port}/")
        server.serve_forever()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, *_):
        pass
