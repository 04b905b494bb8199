"""Pictures of flows: a grid and a density through a map and through the layers of a coupling flow, a parallelogram,
what waits for what in an autoregressive flow, and the edge where a planar map folds."""
import numpy as np

from derivations import flows
from derivations.book.pictures import RED, Picture
from derivations.engine.worlds import Sample
from scratch.flows import change
from scratch.runs.figures import BLUE, GREY, INK, ORANGE


def log_normal(z):
    return -(z**2).sum(-1) / 2 - np.log(2 * np.pi)


# ---- a plane through a map -------------------------------------------------------------------------------------------
def straight_ones():
    """A and b of the first and of the third map."""
    return ((np.array([[1.0, 0.3], [-0.2, 0.8]]), np.array([0.2, 0])),
            (np.array([[0.9, 0.4], [-0.3, 1.1]]), np.array([-0.2, 0.1])))


def there(z):
    """The topic's three maps one after another, for points [..., 2]."""
    (A_1, b_1), (A_3, b_3) = straight_ones()
    return np.moveaxis(flows.g(np.moveaxis(z @ A_1.T + b_1, -1, 0)), 0, -1) @ A_3.T + b_3


def back(y):
    """z and log |det| of the inverse."""
    (A_1, b_1), (A_3, b_3) = straight_ones()
    return change.compose(y, [lambda t: change.linear_inverse(t, A_3, b_3),
                              lambda t: (np.moveaxis(flows.f(np.moveaxis(t, -1, 0)), 0, -1), -np.tanh(t[..., 1])),
                              lambda t: change.linear_inverse(t, A_1, b_1)])


def plane():
    along, ticks = np.linspace(-2.4, 2.4, 49), np.linspace(-2.4, 2.4, 13)
    lines = np.concatenate([np.stack(np.broadcast_arrays(ticks[:, None], along), -1),
                            np.stack(np.broadcast_arrays(along, ticks[:, None]), -1)])                  # [26, 49, 2]
    a     = np.linspace(-7, 7, 281)
    grid  = np.stack(np.meshgrid(a, a), -1)
    p     = (lambda y: np.exp(change.log_prob(y, back, log_normal)))
    return dict(lines=lines, moved=there(lines), a=a, p_z=np.exp(log_normal(grid)), p_y=p(grid),
                base=float(np.exp(log_normal(np.zeros(2)))), dense=float(p(there(np.zeros((1, 2))))[0]))


def draw_plane(figure, lines, moved, a, p_z, p_y, base, dense):
    from matplotlib.colors import to_rgb
    left, right = figure.subplots(1, 2)
    for axes, some, p, colour, title in ((left, lines, p_z, BLUE, "noise z"), (right, moved, p_y, ORANGE, "y = g(z)")):
        alpha = np.minimum(p / base / 1.6, 1)[..., None] * 0.95
        image = np.concatenate([0 * alpha + to_rgb(colour), alpha], 2)
        axes.imshow(image, extent=(a[0], a[-1], a[0], a[-1]), origin="lower", interpolation="none")
        for line in some:
            axes.plot(*line.T, color=INK, linewidth=0.7, alpha=0.6)
        low, high = some.reshape(-1, 2).min(0) - 0.3, some.reshape(-1, 2).max(0) + 0.3
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
        axes.set_title(title, fontsize=9, color=colour)
        axes.axis("off")


# ---- layer by layer --------------------------------------------------------------------------------------------------
#    the mask of a layer, and s and t of the other coordinate, by the one that stays
LAYERS = [(np.array(mask), lambda h, f=f: [g(h.sum(-1, keepdims=True)) for g in f]) for mask, *f in (
    ((True, False), lambda u: -np.tanh(u) / 3,     lambda u: 0.35 * u**2 - 0.7),
    ((False, True), lambda u: -np.cos(u) / 5,      lambda u: 0.9 * np.sin(1.2 * u)),
    ((True, False), lambda u: np.tanh(u) / 4,      lambda u: -0.7 * np.sin(u)))]


def unlayered(y, n):
    """z and log |det| of the way back through the first n layers."""
    return change.compose(y, [lambda y, layer=layer: change.coupling_inverse(y, *layer) for layer in LAYERS[:n][::-1]])


def layers():
    along, ticks = np.linspace(-2.2, 2.2, 45), np.linspace(-2.2, 2.2, 9)
    lines = [np.concatenate([np.stack(np.broadcast_arrays(ticks[:, None], along), -1),
                             np.stack(np.broadcast_arrays(along, ticks[:, None]), -1)])]                # [18, 45, 2]
    for layer in LAYERS:
        lines.append(change.coupling(lines[-1], *layer)[0])
    a    = np.linspace(-9, 9, 361)
    grid = np.stack(np.meshgrid(a, a), -1)
    p    = [np.exp(change.log_prob(grid, lambda y: unlayered(y, n), log_normal)) for n in range(len(LAYERS) + 1)]
    return dict(lines=lines, a=a, p=p, most=float(p[-1].max()), base=float(p[0].max()))


def draw_layers(figure, lines, a, p, most, base):
    from matplotlib.colors import to_rgb
    titles    = "noise", "up and down", "to and fro", "up and down"
    low, high = np.min(lines, (0, 1, 2)) - 0.1, np.max(lines, (0, 1, 2)) + 0.1
    for axes, some, density, title, colour in zip(figure.subplots(1, 4), lines, p, titles, [BLUE] + 3 * [ORANGE]):
        alpha = np.minimum(density / base / 1.6, 1)[..., None] * 0.95
        axes.imshow(np.concatenate([0 * alpha + to_rgb(colour), alpha], 2), extent=(a[0], a[-1], a[0], a[-1]),
                    origin="lower", interpolation="none")
        for line in some:
            axes.plot(*line.T, color=INK, linewidth=0.6, alpha=0.6)
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
        axes.set_title(title, fontsize=9, color=colour)
        axes.axis("off")


# ---- a determinant ---------------------------------------------------------------------------------------------------
def parallelogram():
    A       = np.array([[1.5, 0.7], [0.4, 1.2]])
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    world   = Sample(flows.straight, dict(N=4, M=2, z=corners, A=A, b=np.zeros(2)))
    y, log_det = flows.linear_called.value(world)
    return dict(A=A, corners=corners, y=y, det=float(np.exp(log_det)), density=float(np.exp(-log_det)))


def draw_parallelogram(figure, A, corners, y, det, density):
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 2.5))
    for axes, shape, colour, area, inside in ((left, corners, BLUE, 1, 1), (right, y, ORANGE, det, density)):
        axes.fill(*shape.T, color=colour, alpha=0.65 * inside, linewidth=0)
        axes.plot(*np.concatenate([shape, shape[:1]]).T, color=colour, linewidth=1.5)
        for corner in shape[[1, 3]]:
            axes.annotate("", corner, (0, 0), arrowprops=dict(arrowstyle="-|>", color=INK, linewidth=1.6,
                                                              shrinkA=0, shrinkB=0))
        axes.text(*shape.mean(0), f"area {area:.3g}\ndensity {inside:.2g}", color=INK, ha="center", va="center")
        axes.set(xlim=(-0.1, shape[2, 0] + 0.1), ylim=(-0.1, 1.7), aspect="equal", anchor="S")
        axes.axis("off")


# ---- what waits for what ---------------------------------------------------------------------------------------------
def waiting():
    """known[d, c]: has number d its value after c + 1 calls of the network? Both ways of a masked flow."""
    D, asked = 6, []
    W = np.triu(np.cos(np.arange(D * D)).reshape(D, D), 1)

    def net(x):
        asked.append(x)
        return x @ W + 0.3, np.tanh(x @ W)
    x, _ = change.autoregressive_inverse(np.linspace(-1.2, 1.3, D), net)
    draw = np.stack([now == x for now in [*asked[1:], x]], -1)
    asked.clear()
    z, _ = change.autoregressive(x, net)
    return dict(draw=draw, density=np.isfinite(z)[:, None], D=D, calls=draw.shape[1], once=len(asked))


def draw_waiting(figure, draw, density, D, calls, once):
    left, right = figure.subplots(1, 2, width_ratios=(2, D + 1))
    for axes, known, letter, colour, title in ((left,  density, "z", BLUE,   "a density"),
                                               (right, draw,    "x", ORANGE, "a draw")):
        before = np.concatenate([np.zeros((D, 1), bool), known[:, :-1]], 1)
        for d, c in np.ndindex(known.shape):
            axes.add_patch(box(c, D - d, known[d, c], before[d, c], colour))
        axes.set(xlim=(0.3, known.shape[1] + 0.7), ylim=(0.4, D + 0.6), aspect="equal",
                 xticks=range(1, known.shape[1] + 1), yticks=range(1, D + 1),
                 yticklabels=[f"{letter}{'₁₂₃₄₅₆'[D - i]}" for i in range(1, D + 1)])
        axes.set_title(title, fontsize=9, color=colour)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    right.set_xlabel("calls of the network")


def box(c, row, now, before, colour):
    """A cell: waiting, just found, or there already."""
    from matplotlib.patches import Rectangle
    alpha = 0.25 if before else 0.95
    return Rectangle((c + 0.6, row - 0.4), 0.8, 0.8, facecolor=(colour, alpha) if now else "none",
                     edgecolor=colour if now else GREY, linewidth=0.8)


# ---- the edge --------------------------------------------------------------------------------------------------------
def edge():
    """w.u before and after the repair, for |w| = 1/2: divided by w w, and as it is easily misread, by |w|. Then the
    line along w through the map, for w.u = -3, as it is and repaired."""
    w  = np.array([0.3, 0.4])
    wu = np.linspace(-5, 3, 81)
    u  = wu[:, None] * w / (w @ w)                                              # any u with this w.u would do
    repaired = np.stack([change.invertible(one, w) for one in u])
    misread  = u + (repaired - u) * np.sqrt(w @ w)                              # |w| where w w stands
    s        = np.linspace(-3, 3, 121)
    x        = s[:, None] * w / (w @ w)
    folded, straight = (np.array([Sample(flows.plane, dict(M=2, x=at, u=one, w=w, b=0.0))["g"] @ w for at in x])
                        for one in (u[20], repaired[20]))
    return dict(wu=wu, right=repaired @ w, wrong=misread @ w, s=s, folded=folded, straight=straight, u=float(wu[20]))


def draw_edge(figure, wu, right, wrong, s, folded, straight, u):
    line, axes = figure.subplots(1, 2)
    line.plot(s, folded, color=GREY, linewidth=2, linestyle=(0, (4, 1.5)))
    line.plot(s, straight, color=BLUE, linewidth=2.4)
    line.text(-2.9, 1.5, "folds", color=GREY)
    line.text(1.9, 1.55, "repaired", color=BLUE, ha="right")
    line.set(xlabel="along w, before", ylabel="and after", xticks=[-2, 0, 2], xticklabels=["−2", "0", "2"],
             yticks=[-2, 0, 2], yticklabels=["−2", "0", "2"], ylim=(-2.6, 2.6))
    axes.axhspan(-4, -1, color=RED, alpha=0.13, linewidth=0)
    axes.axhline(-1, color=INK, linewidth=1)
    axes.plot(wu, wrong, color=RED, linewidth=2.4, linestyle=(0, (4, 1.5)))
    axes.plot(wu, right, color=BLUE, linewidth=2.4)
    axes.text(-4.9, -0.75, "over w·w", color=BLUE)
    axes.text(-2.7, -2.6, "over |w|", color=RED)
    axes.text(2.9, -3.85, "here it folds", color=RED, ha="right")
    axes.set(xlim=(-5, 3), ylim=(-4, 2.5), xlabel="w·u of the network", ylabel="w·û",
             xticks=[-4, -2, 0, 2], xticklabels=["−4", "−2", "0", "2"],
             yticks=[-3, -1, 1], yticklabels=["−3", "−1", "1"])


PICTURES = [
    Picture("plane", "A plane through a map",
            "Three maps bend the plane, and normal noise with it. Every mesh keeps its mass: where the meshes are "
            "wide the density thins out, where they are narrow it thickens. The middle of the noise has {base:.3f}, "
            "and where it lands {dense:.3f}.",
            plane, draw_plane, size=(5.2, 2.7)),
    Picture("parallelogram", "What a determinant is",
            "The unit square through a straight map: the arrows are the columns of A, the area is |det A| = "
            "{det:.2f}. The mass stays one, so the density is one over that: {density:.2f}.",
            parallelogram, draw_parallelogram, "A straight map and its way back", size=(5, 2.2)),
    Picture("layers", "A grid through three layers",
            "Every layer moves one coordinate, as the other one says, so the mesh is sheared and stretched but never "
            "torn or folded, and every cell of it keeps its mass. The noise is nowhere denser than "
            "{base:.2f}; after three layers the law has up to {most:.2f}.",
            layers, draw_layers, "Half of it stays as it is", size=(4.8, 1.8)),
    Picture("waiting", "What waits for what",
            "A masked flow of {D} numbers. Its density takes {once} call of the network: all of x is there. A draw "
            "takes {calls}: the full boxes are found by this call, the pale ones were there before, the empty ones "
            "wait. IAF is the same turned round: draws at once, densities in turn.",
            waiting, draw_waiting, "One way at once, the other in turn", size=(4.4, 2.6)),
    Picture("edge", "The edge of folding over",
            "Left, a planar map with w·u = {u:.0f} goes back and forth along w; repaired it only climbs. Right, the "
            "repair keeps w·û above −1, if what is added to u is divided by w·w. Divided by |w|, here one half, it "
            "goes under, and the map folds.",
            edge, draw_edge, "One fold of the plane", size=(5.4, 2.5)),
]
