"""The report of a run: figures as PNG files, and one page that holds them all."""
import base64
import html
import io
import math

import numpy
from matplotlib.figure import Figure

from backends import to_host, xp

BLUE, GREY = "#2a6f97", "#9aa5ad"


def report(folder, entry, config, model, state, dataset, history, results, stream):
    """Write the figures of a run and report.html into its folder."""
    samples = model.sample(*state, stream, 64 if _is_image(dataset) else 2000)
    figures = {"learning": ("How it learned", curves(history))}
    pictures = {"samples": samples, **model.pictures(*state)}
    if _is_image(dataset):
        real = to_host(dataset.train["x"])[:64]
        for name, images in {"data": real, **pictures}.items():
            figures[name] = (CAPTIONS[name], image_grid(to_host(images).reshape(-1, *dataset.shape)))
    else:
        figures["density"] = (CAPTIONS["density"], plane(model, state, dataset, pictures))
    for name, (_, figure) in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)
    note = NOTE.format(levels=dataset.levels, uniform=math.log2(dataset.levels)) if dataset.levels else ""
    (folder / "report.html").write_text(page(entry, config, results, figures, note), encoding="utf-8")


CAPTIONS = {"data": "Data, for comparison", "samples": "Samples", "means": "Means of the components",
            "density": "Data and samples, with the learned density where it can be drawn"}


def _is_image(dataset):
    return len(dataset.shape) > 1


def curves(history):
    """Every metric over the steps."""
    names  = list(history[0]) if history else []
    figure = Figure(figsize=(6.4, 3.2 * max(1, len(names))), layout="constrained")
    for i, name in enumerate(names):
        axes = figure.add_subplot(len(names), 1, i + 1)
        axes.plot(range(1, len(history) + 1), [m[name] for m in history], ".-", color=BLUE)
        axes.set_xlabel("step")
        axes.set_ylabel(LABELS.get(name, name))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    return figure


LABELS = {"log_lik": "log-likelihood of the training data\n(nats per example)"}


def image_grid(images):
    """Images [n, h, w] side by side, dark where they are high."""
    columns = min(len(images), 16 if len(images) > 20 else 10)
    rows    = math.ceil(len(images) / columns)
    figure  = Figure(figsize=(0.6 * columns, 0.6 * rows))
    for i, image in enumerate(images):
        left, bottom = (i % columns + 0.05) / columns, 1 - (i // columns + 0.95) / rows
        axes = figure.add_axes((left, bottom, 0.9 / columns, 0.9 / rows))
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        axes.set_axis_off()
    return figure


def plane(model, state, dataset, pictures):
    """Data and samples side by side in their first two columns, with the learned density where there are just two; one
    column as a histogram."""
    shown  = {"data": to_host(dataset.train["x"])[:2000], "samples": to_host(pictures["samples"])}
    figure = Figure(figsize=(10, 5), layout="constrained")
    if shown["data"].shape[1] == 1:
        axes = figure.add_subplot()
        axes.hist([x[:, 0] for x in shown.values()], bins=40, density=True, color=(GREY, BLUE), label=list(shown))
        axes.legend()
        return figure
    low, high = shown["data"].min(0), shown["data"].max(0)
    margin    = numpy.where(high > low, (high - low) / 10, 1).astype(low.dtype)
    low, high = low - margin, high + margin
    for i, (name, x) in enumerate(shown.items()):
        axes = figure.add_subplot(1, 2, i + 1, title=name, aspect="equal")
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        axes.scatter(x[:, 0], x[:, 1], s=2, color=GREY if name == "data" else BLUE)
        if name == "samples" and x.shape[1] == 2:
            axes.contour(*density(model, state, low, high), levels=8, colors="black", linewidths=0.5, alpha=0.6)
            if "means" in pictures:
                axes.plot(*to_host(pictures["means"]).T, "x", color="black")
    return figure


def density(model, state, low, high, n=160):
    """The learned density on a grid: the two axes [n], and p [n, n]."""
    a, b  = (numpy.linspace(low[i], high[i], n) for i in (0, 1))
    x     = numpy.stack(numpy.meshgrid(a, b), axis=-1).reshape(-1, 2).astype(low.dtype)
    log_p = model.log_prob(*state, xp.asarray(x))
    return a, b, numpy.exp(to_host(log_p)).reshape(n, n)


def page(entry, config, results, figures, note):
    """The page as text: a table of what was measured, a note on it, the figures, what was asked for."""
    rows = ["<tr><th>part</th><th>examples</th><th>nats per example</th><th>bits per dimension</th>"
            + "<th>under the true density, nats</th>" * ("true nats" in results["test"]) + "</tr>"]
    for part, name in (("train", "training"), ("valid", "validation"), ("test", "test (held out)")):
        r = results[part]
        true = f"<td>{r['true nats']:.3f}</td>" if "true nats" in r else ""
        rows.append(f"<tr><td>{name}</td><td>{r['n']}</td><td>{r['nats']:.3f} &plusmn; {r['error']:.3f}</td>"
                    f"<td>{r['bits']:.4f}</td>{true}</tr>")
    body = "".join(f"<figure><figcaption>{caption}</figcaption>"
                   f"<img alt='{caption}' src='data:image/png;base64,{_png(figure)}'></figure>"
                   for caption, figure in figures.values())
    asked = "".join(f"<tr><td>{html.escape(str(k))}</td><td>{html.escape(str(v))}</td></tr>"
                    for k, v in config.items())
    title = f"{entry.title}: {html.escape(str(config['data']))}"
    ended = " It was interrupted: this is what it had learned by then." if results["interrupted"] else ""
    return PAGE.format(title=title, paper=entry.paper, steps=results["steps"], seconds=results["seconds"], ended=ended,
                       rows="".join(rows), figures=body, config=asked, note=note)


def _png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=120)
    return base64.b64encode(buffer.getvalue()).decode()


NOTE = ("<p>The data are whole numbers k, of {levels} levels. Noise u in [0, 1) was added, and the model learned the "
        "density of (k + u) / {levels}; its bits per dimension bound those of the levels from above. A uniform guess "
        "takes log<sub>2</sub> {levels} = {uniform:.2f} bits.</p>")

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #1b262c; max-width: 52rem; margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.6rem; margin-bottom: 0 }}
h2 {{ font-size: 1.15rem; margin-top: 2rem }}
.paper {{ color: #5c6b73; margin-top: 0 }}
table {{ border-collapse: collapse; display: block; overflow-x: auto }}
th, td {{ text-align: left; padding: .25rem 1rem .25rem 0; border-bottom: 1px solid #e3e8eb }}
figure {{ margin: 2rem 0 }}
figcaption {{ font-weight: 600; margin-bottom: .5rem }}
img {{ max-width: 100% }}
@media (max-width: 30rem) {{ th, td {{ font-size: .8rem; padding-right: .5rem }} }}
</style>
<h1>{title}</h1><p class="paper">{paper}</p>
<p>{seconds:.1f} seconds: the start, and then {steps} of the steps shown below.{ended}</p>
<h2>How probable it finds the data: log-likelihood</h2><table>{rows}</table>{note}
{figures}
<h2>What was asked for</h2><table>{config}</table>
</html>
"""
