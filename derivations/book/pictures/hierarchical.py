"""Pictures of latents above latents: the two graphs, what the slip rewards, and the bound against the depth."""
import numpy as np

from derivations import hierarchical, slips
from derivations.book.pictures import RED, Picture
from derivations.engine.worlds import Sample
from scratch.diffusion.schedules import cosine, schedule
from scratch.runs.figures import BLUE, INK, ORANGE


# ---- the two graphs --------------------------------------------------------------------------------------------------
def two_graphs():
    """What flows along every arrow: downwards all of p, upwards q for the first x."""
    world = Sample(hierarchical.two_levels, dict(
        X=3, Z1=3, Z2=2, p_2=np.array([4, 6]) / 10, p_1_2=np.array([[6, 3, 1], [0, 3, 7]]) / 10,
        p_x_1=np.array([[8, 2, 0], [2, 6, 2], [0, 3, 7]]) / 10,
        q_1=np.array([[7, 3, 0], [2, 5, 3], [0, 2, 8]]) / 10, q_2_1=np.array([[9, 1], [5, 5], [1, 9]]) / 10))
    p, q = world["p"], world["q_12"][1]
    return dict(p_21=p.sum(0).T, p_1x=p.sum(2).T,                               # [Z2, Z1], [Z1, X]
                q_x1=q.sum(1)[None], q_12=q)                                    # [1, Z1], [Z1, Z2]


def draw_two_graphs(figure, p_21, p_1x, q_x1, q_12):
    def place(n, i):
        return i - (n - 1) / 2

    def flows(axes, table, rows, colour, origin=None):
        n, m = len(table) if origin is None else 3, table.shape[1]
        for i, j in np.ndindex(*table.shape):
            a, b = np.array([place(n, i if origin is None else origin), rows[0]]), np.array([place(m, j), rows[1]])
            step = 0.2 * (b - a) / np.hypot(*(b - a))
            if table[i, j] > 0:
                axes.annotate("", b - step, a + step, arrowprops=dict(
                    arrowstyle="-|>,head_width=0.22,head_length=0.4", color=colour, linewidth=0.6 + 11 * table[i, j],
                    alpha=0.85, shrinkA=0, shrinkB=0, mutation_scale=12))

    down, up = figure.subplots(1, 2)
    flows(down, p_21, (2, 1), BLUE)
    flows(down, p_1x, (1, 0), BLUE)
    flows(up, q_x1, (0, 1), ORANGE, origin=1)
    flows(up, q_12, (1, 2), ORANGE)
    for axes, masses, colour in ((down, (p_1x.sum(0), p_21.sum(0), p_21.sum(1)), BLUE),
                                 (up, (np.array([0, 1, 0]), q_12.sum(1), q_12.sum(0)), ORANGE)):
        for y, mass in enumerate(masses):
            x = [place(len(mass), i) for i in range(len(mass))]
            axes.scatter(x, [y] * len(x), s=170, facecolors="none", edgecolors=colour, linewidths=1.2)
            axes.scatter(x, [y] * len(x), s=170 * mass, color=colour)
            axes.text(-1.55, y, ("x", "z₁", "z₂")[y], color=INK, va="center", ha="center")
        axes.set(xlim=(-1.7, 1.3), ylim=(-0.25, 2.5))
        axes.axis("off")
    down.text(0, 2.36, "p: from the top down", color=BLUE, ha="center")
    up.text(0, 2.36, "q: from an x upwards", color=ORANGE, ha="center")


# ---- what the slip rewards -------------------------------------------------------------------------------------------
def dependence():
    """Two levels of two values each. q has the posterior's laws of z1 and of z2, and a correlation r of its own."""
    given = dict(X=2, Z1=2, Z2=2, p_2=np.array([0.5, 0.5]), p_1_2=np.array([[0.85, 0.15], [0.15, 0.85]]),
                 p_x_1=np.array([[0.7, 0.3], [0.3, 0.7]]))
    world = Sample(hierarchical.two_levels, dict(given, q_1=np.zeros((2, 2)), q_2_1=np.zeros((2, 2))))
    p, p_x = world["p"][0], float(world["p_x"][0])
    a, b   = p.sum(1) / p_x, p.sum(0) / p_x                                     # p(z1 | x), p(z2 | x)
    swing  = np.sqrt(a.prod() * b.prod()) * np.array([[1, -1], [-1, 1]])

    def both(r):
        q     = np.outer(a, b) + r * swing
        world = Sample(slips.posterior_of_one, dict(given, q_1=np.stack([a, a]), q_2_1=q / q.sum(1, keepdims=True)))
        return q, hierarchical.two_top_down.value(world)[0][0], slips.hvae_prior.value(world)[0][0]

    best = float((p / p_x - np.outer(a, b))[0, 0] / swing[0, 0])
    r    = np.linspace(-0.44, 0.84, 65)
    _, right, printed = zip(*map(both, r))
    return dict(r=r, right=np.array(right), printed=np.array(printed), log_p=float(np.log(p_x)), best=best,
                joint=both(best)[0], product=np.outer(a, b))


def draw_dependence(figure, r, right, printed, log_p, best, joint, product):
    tables, axes = figure.subfigures(1, 2, width_ratios=(0.36, 1))
    for part, table, title, colour in zip(tables.subplots(2, 1), (joint, product), ("q(z₁, z₂)", "q(z₁) q(z₂)"),
                                          (BLUE, RED)):
        for i, j in np.ndindex(2, 2):
            part.fill_between([j, j + 0.96], -i - 0.96, -i, color=colour, alpha=float(table[i, j]), linewidth=0)
            part.text(j + 0.48, -i - 0.48, f"{table[i, j]:.2f}"[1:], color=INK, ha="center", va="center")
        part.set_title(title, fontsize=9, color=colour)
        part.set_aspect("equal")
        part.axis("off")
    axes = axes.subplots()
    axes.axhline(log_p, color=INK, linewidth=1)
    axes.plot(r, right, color=BLUE, linewidth=2.4)
    axes.plot(r, printed, color=RED, linewidth=2.4, linestyle=(0, (4, 1.5)))
    axes.plot(best, log_p, "o", color=BLUE, markersize=7)
    axes.plot(0, printed.max(), "X", color=RED, markersize=9)
    axes.text(-0.45, log_p + 0.02, "log p(x)", color=INK)
    axes.text(-0.22, log_p - 0.66, "the bound", color=BLUE)
    axes.text(0.08, log_p - 0.41, "as printed", color=RED)
    axes.set(xlim=(-0.47, 0.87), ylim=(log_p - 0.82, log_p + 0.12), xticks=[-0.4, 0, 0.4, 0.8],
             xlabel="correlation of z₁ and z₂ under q", ylabel="nats")


# ---- the deeper the tighter ------------------------------------------------------------------------------------------
def normal(x, m, v):
    return np.exp(-(x - m)**2 / (2 * v)) / np.sqrt(2 * np.pi * v)


def chain_of(T, x, w, m, v):
    """Data of a mixture of normal laws (w, m, v), a q that noises in T steps, and the best normal p for it: (mean over
    data of the bound, [mean and variance of p(z_{t-1} | z_t = x)], t = 1 .. T), all sums on the points x."""
    s, dx, steps = schedule(cosine(T)), x[1] - x[0], []
    bound = -np.log(2 * np.pi) / 2 - (s.abar[-1] * (w @ (m**2 + v)) + s.vbar[-1]) / 2           # E log p(z_T)
    for t in range(T):
        a, beta = np.sqrt(s.alpha[t]), s.beta[t]
        m_1, v_1 = np.sqrt(s.abar_1[t]) * m, s.abar_1[t] * v + s.vbar_1[t]                      # of z_{t-1}, each part
        joint = w * normal(x[:, None], a * m_1, a**2 * v_1 + beta)
        q     = joint.sum(1)
        gain  = a * v_1 / (a**2 * v_1 + beta)
        means = m_1 + gain * (x[:, None] - a * m_1)
        r     = joint / q[:, None]
        mean  = (r * means).sum(1)
        var   = (r * (means**2 + v_1 - gain * a * v_1)).sum(1) - mean**2
        bound = bound - np.sum(q * np.log(var)) * dx / 2 + np.log(beta) / 2                     # E log p - E log q
        steps.append((mean, var))
    return bound, steps


def depth():
    x       = np.linspace(-5, 5, 1001)
    w, m, v = np.array([0.4, 0.6]), np.array([-1.0, 0.8]), np.array([0.02, 0.06])
    data    = normal(x[:, None], m, v) @ w
    T       = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256])
    bounds  = []
    made    = {}
    for n in T:
        bound, steps = chain_of(n, x, w, m, v)
        bounds.append(bound)
        if n in (1, 4, 32):
            law = normal(x, 0, 1)
            for mean, var in steps[::-1]:
                law = normal(x[:, None], mean, var) @ law * (x[1] - x[0])
            made[n] = law
    return dict(x=x, data=data, T=T, bounds=np.array(bounds), made=made,
                truth=float(data @ np.log(data)) * (x[1] - x[0]))


def draw_depth(figure, x, data, T, bounds, made, truth):
    laws, axes = figure.subfigures(2, 1, height_ratios=(1, 1.7))
    for part, (n, law) in zip(laws.subplots(1, 3), made.items()):
        part.fill_between(x[::4], data[::4], color=BLUE, alpha=0.3, linewidth=0)
        part.plot(x[::4], law[::4], color=ORANGE, linewidth=1.8)
        part.set(xlim=(-2, 2.4), ylim=(0, 1.2), xticks=[], yticks=[])
        part.set_title(f"T = {n}", fontsize=9)
        part.spines["left"].set_visible(False)
    axes = axes.subplots()
    axes.axhline(truth, color=BLUE, linewidth=1.8)
    axes.plot(T, bounds, "o-", color=ORANGE, linewidth=2.2, markersize=5)
    axes.set(xscale="log", xlabel="levels T", ylabel="nats", ylim=(None, truth + 0.16),
             xticks=[1, 4, 32, 256], xticklabels=["1", "4", "32", "256"])
    axes.minorticks_off()
    axes.text(1, truth + 0.03, "log p of the data", color=BLUE)
    axes.text(6, bounds[3] - 0.2, "the bound", color=ORANGE)


PICTURES = [
    Picture("graphs", "Down and up",
            "Two values of z₂, three of z₁, three of x. Left, the model draws from the top down; right, a guess "
            "climbs from one x to its codes. Every arrow is as thick, every disk as large as the mass that comes that "
            "way.",
            two_graphs, draw_two_graphs, size=(5.2, 2.6)),
    Picture("dependence", "What the slip rewards",
            "Blue, the bound: it reaches log p(x) = {log_p:.2f} at a correlation of {best:.2f}, the posterior's (upper "
            "table). Red, the bound as it is found in print: it agrees only where z₁ and z₂ are independent under q "
            "(lower table), and there it is highest. Who raises it unlearns that the levels have to do with each "
            "other.",
            dependence, draw_dependence, "hierarchical.two_top_down", size=(5.2, 2.6)),
    Picture("depth", "The deeper, the tighter",
            "A q that is fixed: it noises the data, blue, in T steps. Every step back of p is one normal law, the "
            "best one. One level makes one bump and its bound is {bounds[0]:.2f} nats; with {T[8]} it is "
            "{bounds[8]:.4f}, where the data's own law has {truth:.4f}. That deep chain is a diffusion model.",
            depth, draw_depth, "T levels", size=(5, 3.1)),
]
