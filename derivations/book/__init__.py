"""The book: the derivations as pages that people read. `scratch book` writes it; it opens from disk, without a network."""
import html
import io
import json
from pathlib import Path

from derivations.book import mathml, pages, pictures
from derivations.book.dice import rolled
from derivations.engine import line as lines, run
from scratch.runs.figures import plot

HERE = Path(__file__).parent


def build(out, show=lambda jobs: jobs):
    """Check all lines, try all changes, draw all pictures, and write the pages into the folder `out`: what is wrong, as
    sentences. `show` wraps the list of what is to be done, to tell of progress."""
    out  = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir()) and not (out / "math.woff").exists()):
        raise ValueError(f"--out {out}: there is something that is no book; expected a new folder, or one with a book.")
    jobs = [(topic, i) for topic in lines.topics() for i in range(len(lines.derivations_of(topic)))]
    with run.workers(True) as do:
        drawn = do(_picture, [(topic, picture.name) for topic in lines.topics() for picture in pictures.of(topic)])
        found = list(show(zip(jobs, do(_checked, jobs)), len(jobs)))
        svgs  = dict(drawn)
    rows      = [row for _, (rows, _, _) in found for row in rows]
    functions = run.merged(row for _, (_, functions, _) in found for row in functions)
    book      = pages.Book(rows, functions, {job: rolls for job, (_, _, rolls) in found})
    where, complaints = run.whole(rows, functions)
    written = {"index.html": book.index(where), "symbols.html": book.symbols(), "functions.html": book.all_functions(),
               **{f"{topic}.html": book.topic(topic) for topic in book.pages},
               **{pages.address(name): book.function(name) for name in book.functions}}
    texts = {name: whole(name, *page) for name, page in written.items()}
    for folder in ("code", "pictures", "learned"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    for name, svg in svgs.items():
        (out / "pictures" / f"{name}.svg").write_text(svg, encoding="utf-8")
    for name in ("book.css", "book.js", *(f"learned/{path.name}" for path in (HERE / "learned").glob("*.png"))):
        (out / name).write_bytes((HERE / name).read_bytes())
    (out / "math.woff").write_bytes(font(mathml.characters("".join(texts.values()))))
    return [text for row in (*rows, *functions) for text in row.wrong] + complaints


def _checked(job):
    topic, i = job
    rows, functions = run.of_page((topic, i, lines.WORLDS, True))
    return rows, functions, rolled(lines.derivations_of(topic)[i])


def _picture(job):
    topic, name = job
    picture = next(p for p in pictures.of(topic) if p.name == name)
    return f"{topic}-{name}", plot(lambda figure: picture.draw(figure, **picture.numbers()), picture.size)


def whole(name, title, body, data):
    """A page around its body."""
    root = "../" * name.count("/")
    home = "" if name == "index.html" else f'<nav class=top><a href="{root}index.html">The road</a> ' \
           f'<a href="{root}symbols.html">Symbols</a> <a href="{root}functions.html">Functions</a></nav>'
    data = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/") if data else ""
    return (f'<!doctype html><html lang=en><head><meta charset=utf-8><title>{html.escape(title)}</title>'
            f'<meta name=viewport content="width=device-width, initial-scale=1"><link rel=stylesheet href="{root}book.css">'
            f'<script defer src="{root}book.js"></script></head><body>{home}<main>{body}</main>'
            + (f'<script type="application/json" id=data>{data}</script>' if data else "") + "</body></html>\n")


def font(characters):
    """STIX Two Math (OFL), no more of it than the characters need."""
    import importlib.resources
    from fontTools import subset
    from fontTools.ttLib import TTFont
    with importlib.resources.files("ziamath.fonts").joinpath("STIXTwoMath-Regular.ttf").open("rb") as file:
        whole = TTFont(file)
    options = subset.Options(layout_features=["*"], name_IDs=["*"], drop_tables=[*subset.Options().drop_tables, "DSIG"])
    some    = subset.Subsetter(options)
    some.populate(text="".join(sorted(characters)))
    some.subset(whole)
    whole.flavor, written = "woff", io.BytesIO()
    whole.save(written)
    return written.getvalue()


def serve(out, port=8000):
    """Serve the folder on the loopback address, on that port or the next that is free, until Ctrl-C. Yields its address
    first."""
    import functools
    import http.server
    handler = functools.partial(_Quiet, directory=str(out))
    for port in range(port, port + 100):
        try:
            server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
            break
        except OSError:
            continue
    else:
        raise OSError(f"none of the ports {port - 99} to {port} is free.")
    yield f"http://127.0.0.1:{port}/"
    with server:
        server.serve_forever()
