r"""Energies.   Hinton and Sejnowski 1986, Smolensky 1986, Neal 2001, Hinton 2002, Tieleman 2008, Roberts and Tweedie 1996   worlds: a few states, a few bits, and every walk over them, so that all sums are exact; normal noise on the line

Give every state a number, low where the data are: its energy. Any function will do, so nothing is easier to write down.
But a law has to sum to one, and that sum nobody can do. What can be learned without it?
"""
from derivations import Derivation, World, counts, index, let, positive, real, size, tex, unit
from derivations.engine.words import D, E, KL, T, arange, broadcast_to, concatenate, cumsum, eigh, einsum, exp, eye, gaussian, log, mean, minimum, pi, prod, sqrt, stack, sum, swapaxes, where, zeros
from scratch.autodiff import grad, sigmoid
from scratch.energies import ais, boltzmann, ebm, langevin

# ---- A number for every state ----------------------------------------------------------------------------------------
few_states = World("a few states and their energies",
    X        = size(1, 5),
    P        = size(1, 3),
    n        = tex(r"n_{\mathrm{data}}",           counts("X")),
    n_G      = tex(r"n_q",                         counts("X")),
    c        = tex(r"c",                           real()),
    theta    = tex(r"\theta",                      real("P")),
    f        = tex(r"f(x)",                        real("X", "P")),
    E_x      = let(r"E_\theta(x)",                 lambda f, theta: (f @ theta)**2 / 4 + f @ theta),
    Z        = let(r"Z",                           lambda E_x: sum(exp(-E_x)), covers="ebm-partition"),
    p        = let(r"p_\theta(x)",                 lambda E_x, Z: exp(-E_x) / Z, covers="ebm-boltzmann"),
    p_data   = let(r"p_{\mathrm{data}}",           lambda n: n / sum(n)),
    q        = let(r"q(x)",                        lambda n_G: n_G / sum(n_G)),
    dE       = let(r"\nabla_\theta E_\theta(x)",   lambda f, theta: f * (f @ theta)[:, None] / 2 + f),
    x        = let(r"x_{1:N}",                     lambda n: repeated(n)),
    x_G      = let(r"\tilde x_{1:N}",              lambda n_G: repeated(n_G)))


def repeated(n):
    """Every state as often as it was seen."""
    return concatenate([zeros(int(n_x)).astype(int) + i for i, n_x in enumerate(n)])


def energy(theta, f):
    """Neither straight in theta nor in the features f of a state."""
    return (f @ theta)**2 / 4 + f @ theta


def soft(E_x):
    """The law of energies."""
    return exp(-E_x) / sum(exp(-E_x))


laws = Derivation("laws", few_states)

r"""
An *energy* $E_\theta(x)$ is any function of a state; $\theta$ are its parameters. Low energy means probable:
$e^{-E_\theta(x)}$ is positive whatever the energy is, and $Z$, the sum of it over all states, makes a law of it. $Z$ is
called the *partition function*.
"""

@laws(r"p_\theta(x)")
def law(p): return p

@laws("prop", r"e^{-E_\theta(x)}", by="Z is the same for all states: which of two is more probable, and how much, needs no Z", covers="ebm-boltzmann")
def up_to_z(E_x): return exp(-E_x)

@laws("=", r"\frac{e^{-(E_\theta(x) + c)}}{\sum_x e^{-(E_\theta(x) + c)}}", to=law, by="a constant cancels: only differences of energies mean something")
def shifted(E_x, c): return exp(-(E_x + c)) / sum(exp(-(E_x + c)))

r"""
Here a world has five states at most, and $Z$ is a sum of five terms. A picture of a thousand bits has $2^{1000}$ states. On
this page we can always look up $Z$; what we look for are ways that need not.
"""

@laws(r"\log \sum_x e^{-E_\theta(x)}")
def log_sum(E_x): return log(sum(exp(-E_x)))

@laws("=", r"\operatorname{logpartition}(E_\theta)", by="with the largest term taken out, so that none overflows")
def energies_called(E_x): return ebm.log_partition(E_x)

# ---- What the likelihood pulls on ------------------------------------------------------------------------------------
r"""
To learn, we want the slope of $\log p_\theta(x)$ in $\theta$: which way do the parameters make $x$ more probable? Two terms:
lower the energy of $x$, and raise that of everything else. *Everything else* sounds like $Z$ again. Look at what it is.
"""

@laws(r"\nabla_\theta \log \sum_x e^{-\left(\frac{(f(x) \theta)^2}{4} + f(x) \theta\right)}", let=r"\text{the slope of } \log Z")
def slope_of_log_z(theta, f): return D(lambda theta: log(sum(exp(-((f @ theta)**2 / 4 + f @ theta)))), theta)

@laws("=", r"-\mathbb{E}_{p_\theta}\left[\nabla_\theta E_\theta(x)\right]", by="the slope of log Z is a mean under the law itself")
def mean_slope(p, dE): return -E(p, dE.T)

@laws(r"\nabla_\theta \log \frac{e^{-\left(\frac{(f(x) \theta)^2}{4} + f(x) \theta\right)}}{\sum_x e^{-\left(\frac{(f(x) \theta)^2}{4} + f(x) \theta\right)}}", let=r"\text{the pull of one state}")
def pull(theta, f): return D(lambda theta: log(exp(-((f @ theta)**2 / 4 + f @ theta)) / sum(exp(-((f @ theta)**2 / 4 + f @ theta)))), theta)

@laws("=", r"-\nabla_\theta E_\theta(x) + \mathbb{E}_{p_\theta}\left[\nabla_\theta E_\theta(x)\right]", by="down where the datum is, up where the model is", covers="ebm-loglik-gradient")
def down_and_up(dE, p): return -dE + E(p, dE.T)

"""
So no sum over all states is asked for, only a mean, and a mean can be had from draws. Over the data it reads: what the
data have on average, less what the model has. When the model has what the data have, learning stops.
"""

@laws(r"\nabla_\theta \mathbb{E}_{p_{\mathrm{data}}}\left[\log \frac{e^{-\left(\frac{(f(x) \theta)^2}{4} + f(x) \theta\right)}}{\sum_x e^{-\left(\frac{(f(x) \theta)^2}{4} + f(x) \theta\right)}}\right]", let=r"\text{the pull of all data}", rests_on=down_and_up)
def pull_of_all(theta, f, p_data): return D(lambda theta: E(p_data, log(exp(-((f @ theta)**2 / 4 + f @ theta)) / sum(exp(-((f @ theta)**2 / 4 + f @ theta))))), theta)

@laws("=", r"\mathbb{E}_{p_\theta}\left[\nabla_\theta E_\theta(x)\right] - \mathbb{E}_{p_{\mathrm{data}}}\left[\nabla_\theta E_\theta(x)\right]", by="the mean of the line above", covers="ebm-loglik-gradient")
def two_means(p, dE, p_data): return E(p, dE.T) - E(p_data, dE.T)

@laws("=", r"-\operatorname{grad}(\operatorname{contrast}(E_\theta, x_{1:N}, x, p_\theta))(\theta)", by="what models of energies train by: its gradient counts, its value is no likelihood")
def contrast_called(theta, f, x, X, p): return -grad(lambda theta: ebm.contrast(lambda x: energy(theta, f)[x], x, arange(X), p))(theta)

# ---- The model's side by draws ---------------------------------------------------------------------------------------
r"""
Where there are too many states for their probabilities, a few draws stand for them, of a law $q$ that should be the
model's. They are the result of a walk, and no gradient goes through that.
"""

@laws(r"\mathbb{E}_{p_{\mathrm{data}}}\left[E_\theta(x)\right] - \mathbb{E}_{q}\left[E_\theta(x)\right]")
def contrast_of_means(p_data, E_x, q): return E(p_data, E_x) - E(q, E_x)

@laws("=", r"\operatorname{contrast}(E_\theta, x_{1:N}, \tilde x_{1:N})", by="the model's states may be draws of any law q, each counting the same")
def draws_called(E_x, x, x_G): return ebm.contrast(lambda x: E_x[x], x, x_G)

# ---- Bits that look at each other ------------------------------------------------------------------------------------
def bits(n):
    """All rows of n bits [2^n, n], in the order of the numbers that they write."""
    return 1.0 * (arange(2**n)[:, None] // 2**arange(n)[::-1] % 2)


def offered(p, x, bit):
    """The chance of every state with bit i put to `bit`, of all i [2^n, n]."""
    one = eye(x.shape[1])
    return sum(prod(1.0 * ((x[:, None] * (1 - one) + bit * one)[:, :, None] == x), 3) * p, 2)


def boltzmann_law(x, A, b):
    """p(x) of all states, from the sum over pairs."""
    W = (A + A.T) / 2 * (1 - eye(len(b)))
    return soft(-einsum("si,ij,sj->s", x, W, x) / 2 - x @ b)


def shares(x_n, x):
    """How often each state occurs among the data."""
    return mean(prod(1.0 * (x_n[:, None] == x), 2), 0)


pairs = World("a Boltzmann machine of a few bits",
    I        = size(1, 3),
    N        = size(1, 4),
    A        = tex(r"A",                   real("I", "I")),
    b        = tex(r"b",                   real("I")),
    u        = tex(r"u",                   unit("I")),
    x_n      = tex(r"x_n",                 index(2, "N", "I")),
    x        = let(r"x",                   lambda I: bits(I)),
    W        = let(r"W",                   lambda A, I: (A + A.T) / 2 * (1 - eye(I))),
    p        = let(r"p(x)",                lambda x, A, b: boltzmann_law(x, A, b)),
    p_on     = let(r"p(x_{i=1})",          lambda p, x: offered(p, x, 1)),                   # [2^I, I]: with bit i set,
    p_off    = let(r"p(x_{i=0})",          lambda p, x: offered(p, x, 0)),                   # and with bit i cleared
    p_to     = let(r"p(x^{\prime})",       lambda p: p[:, None]),                            # [to, 1]
    P        = let(r"P_i(x^{\prime} \mid x)", lambda p, x: redrawn(p, x)),                   # [from, to, i]
    P_back   = let(r"P_i(x \mid x^{\prime})", lambda P: swapaxes(P, 0, 1)),
    s        = let(r"s_i",                 lambda x, u, W, b: chances_in_turn(x, u, W, b)),  # of bit i, when its turn has come
    other    = let(r"\mathbf{1}_{i \neq j}", lambda I: 1 - eye(I)),
    p_data   = let(r"p_{\mathrm{data}}",   lambda x_n, x: shares(x_n, x)),
    w        = let(r"w",                   lambda W, b, I: -W / 2 - b * eye(I)))

boltz = Derivation("Boltzmann machine", pairs)

r"""
A *Boltzmann machine* is a law of bits. $W_{i,j}$ says how much bits $i$ and $j$ like to be 1 together, $b_i$ how much
bit $i$ likes to be 1 at all. $W$ is symmetric and has zeros on its diagonal: no bit looks at itself.
"""

@boltz(r"-\frac{1}{2} \sum_{i,j} x_i W_{i,j} x_j - \sum_i b_i x_i", let=r"E(x)", covers="bm-energy")
def pair_energy(x, W, b): return -1 / 2 * einsum("si,ij,sj->s", x, W, x) - einsum("i,si->s", b, x)

@boltz("=", r"\sum_{i,j} x_i w_{i,j} x_j", by="as S3 prints it: minus and half are in w, and b on its diagonal, since a bit is its own square", covers="bm-energy")
def one_matrix(x, w): return einsum("si,ij,sj->s", x, w, x)

@boltz("=", r"\operatorname{boltzmannenergy}(x, A, b)", to=pair_energy, by="the function takes any matrix: it makes it symmetric and drops its diagonal")
def boltzmann_called(x, A, b): return boltzmann.boltzmann_energy(x, A, b)

@boltz(r"x", let=r"\text{every row of bits, as they are counted}")
def counted(x): return x

@boltz("=", r"\operatorname{states}(I)", by="with I bits there are 2^I states: this is why Z is hard")
def states_called(I): return boltzmann.states(I)

@boltz(r"\frac{A + A^{\top}}{2} \mathbf{1}_{i \neq j}", let="W")
def symmetric(A, other): return (A + A.T) / 2 * other

@boltz("=", r"\operatorname{couplings}(A)", by="the part of A that an energy can see")
def couplings_called(A): return boltzmann.couplings(A)

r"""
Hide one bit. What do the others say of it? Two states are left, $x_{i=1}$ and $x_{i=0}$, and their two energies differ by
little more than a row of $W$. $Z$ is in both, and cancels.
"""

@boltz(r"\frac{p(x_{i=1})}{p(x_{i=1}) + p(x_{i=0})}", let=r"P(x_i = 1 \mid \text{the others})", covers="bm-energy")
def conditional(p_on, p_off): return p_on / (p_on + p_off)

@boltz("=", r"\frac{1}{1 + e^{-\left(\sum_j x_j W_{i,j} + b_i\right)}}", by="a sigmoid of the others' votes", covers="bm-energy")
def votes(x, W, b): return 1 / (1 + exp(-(einsum("sj,ij->si", x, W) + b)))

@boltz("=", r"\sigma(\operatorname{boltzmannlogits}(x, A, b))", by="of all bits at once")
def conditional_called(x, A, b): return sigmoid(boltzmann.boltzmann_logits(x, A, b))

# ---- One bit after the other -----------------------------------------------------------------------------------------
def chances_in_turn(x, u, W, b):
    """Bit after bit, the chance of it after those before it were drawn with u [2^n, n]."""
    found = []
    for i in range(len(b)):
        found.append(1 / (1 + exp(-(x @ W[i] + b[i]))))
        x = where(arange(len(b)) == i, 1.0 * (u[i] < found[i])[:, None], x)
    return T(stack(found))


def redrawn(p, x):
    """The chances [from, to, i] that a state becomes another when bit i is drawn anew, given the others."""
    to = p[:, None] * prod(1.0 * ((x[:, None] == x)[..., None] | (eye(x.shape[1]) == 1)), 2)        # all alike but bit i
    return to / sum(to, 1)[:, None]


"""
To draw from the machine, draw one bit anew, given the others, then the next one. That is *Gibbs sampling*. Why does it
lead anywhere? Because a state that is twice as probable is left half as often: between any two states, as much goes one
way as the other. This is *detailed balance*.
"""

@boltz(r"p(x)\, P_i(x^{\prime} \mid x)", let=r"\text{what flows from } x \text{ to } x^{\prime} \text{ when bit } i \text{ is drawn anew}")
def flow(p, P): return p[:, None, None] * P

@boltz("=", r"p(x^{\prime})\, P_i(x \mid x^{\prime})", by="the other way as much: both are p(x) p(x') over what the two have together")
def flow_back(p_to, P_back): return p_to * P_back

@boltz(r"\sum_x p(x)\, P_i(x^{\prime} \mid x)", let=r"\text{the law with bit } i \text{ drawn anew}")
def redrawn_law(p, P): return sum(p[:, None, None] * P, 0)

@boltz("=", r"p(x^{\prime})", by="so whatever bit is drawn, the law is kept", rests_on=flow_back)
def redrawn_kept(p_to, P): return broadcast_to(p_to, P.shape[1:])

@boltz(r"\mathbf{1}_{u < s_i}", let=r"\text{every bit in turn: 1 where } u \text{ is less than its chance}")
def sweep(u, s): return u < s

@boltz("=", r"\operatorname{boltzmanngibbs}(x, u, A, b)", by="the sweep that runs, with the uniform numbers that it is given")
def sweep_called(x, u, A, b): return boltzmann.boltzmann_gibbs(x, u, A, b)

r"""
And how does the machine learn? Its energy is straight in $W$, so the slope is a product of two bits. What is left of
the gradient is a difference of correlations: how often two bits are on together in the data, and how often in the model.
"""

@boltz(r"\nabla_A \mathbb{E}_{p_{\mathrm{data}}}\left[\log \frac{e^{\frac{1}{2} \sum_{i,j} x_i A_{i,j} \mathbf{1}_{i \neq j} x_j + \sum_i b_i x_i}}{\sum_x e^{\frac{1}{2} \sum_{i,j} x_i A_{i,j} \mathbf{1}_{i \neq j} x_j + \sum_i b_i x_i}}\right]", let=r"\text{what raises the likelihood}", rests_on=down_and_up)
def machine_slope(A, p_data, x, other, b): return D(lambda A: E(p_data, log(exp(1 / 2 * einsum("si,ij,ij,sj->s", x, A, other, x) + einsum("i,si->s", b, x)) / sum(exp(1 / 2 * einsum("si,ij,ij,sj->s", x, A, other, x) + einsum("i,si->s", b, x))))), A)

@boltz("=", r"\frac{1}{2} \left(\mathbb{E}_{p_{\mathrm{data}}}\left[x_i x_j\right] - \mathbb{E}_{p(x)}\left[x_i x_j\right]\right) \mathbf{1}_{i \neq j}", by="data less model; the half since a pair stands twice in A")
def correlations(p_data, x, p, other): return 1 / 2 * (E(p_data, x.T[:, None] * x.T) - E(p, x.T[:, None] * x.T)) * other

@boltz(r"\nabla_b \mathbb{E}_{p_{\mathrm{data}}}\left[\log \frac{e^{\frac{1}{2} \sum_{i,j} x_i W_{i,j} x_j + \sum_i b_i x_i}}{\sum_x e^{\frac{1}{2} \sum_{i,j} x_i W_{i,j} x_j + \sum_i b_i x_i}}\right]", let=r"\text{and for } b", rests_on=down_and_up)
def machine_slope_b(b, p_data, x, W): return D(lambda b: E(p_data, log(exp(1 / 2 * einsum("si,ij,sj->s", x, W, x) + einsum("i,si->s", b, x)) / sum(exp(1 / 2 * einsum("si,ij,sj->s", x, W, x) + einsum("i,si->s", b, x))))), b)

@boltz("=", r"\mathbb{E}_{p_{\mathrm{data}}}\left[x_i\right] - \mathbb{E}_{p(x)}\left[x_i\right]", by="how often a bit is on by itself")
def frequencies(p_data, x, p): return E(p_data, x.T) - E(p, x.T)

@boltz(r"\log \sum_x e^{\frac{1}{2} \sum_{i,j} x_i W_{i,j} x_j + \sum_i b_i x_i}", let=r"\log Z")
def machine_log_z(x, W, b): return log(sum(exp(1 / 2 * einsum("si,ij,sj->s", x, W, x) + einsum("i,si->s", b, x))))

@boltz("=", r"\operatorname{boltzmannlogz}(A, b)", by="all states, where there are few bits")
def partition_called(A, b): return boltzmann.boltzmann_log_z(A, b)

# ---- Bits that nobody sees -------------------------------------------------------------------------------------------
def below(u, s):
    """1 where u lies under the chance of it."""
    return 1.0 * (u < s)


def log_coin(bit, logit):
    """The log-probability of a bit."""
    return bit * logit - log(1 + exp(logit))


layers = World("a restricted Boltzmann machine of a few units",
    I        = size(1, 3),
    J        = size(1, 3),
    N        = size(1, 4),
    W        = tex(r"W",                            real("I", "J")),
    b        = tex(r"b",                            real("I")),
    c        = tex(r"c",                            real("J")),
    u_h      = tex(r"u_h",                          unit("J")),
    u_v      = tex(r"u_v",                          unit("I")),
    v_n      = tex(r"v_n",                          index(2, "N", "I")),
    v        = let(r"v",                            lambda I: bits(I)),
    h        = let(r"h",                            lambda J: bits(J)),
    E_vh     = let(r"E(v, h)",                      lambda v, W, h, b, c: -(v @ W @ h.T) - (v @ b)[:, None] - h @ c, covers="rbm-energy"),
    E_0      = let(r"E_{W=0}(v, h)",                lambda v, b, h, c: -(v @ b)[:, None] - h @ c),         # that of coins
    p_vh     = let(r"p(v, h)",                      lambda E_vh: exp(-E_vh) / sum(exp(-E_vh))),
    p_to     = let(r"p(v^{\prime}, h)",             lambda p_vh: p_vh[None]),                              # [1, to, h]
    p_v      = let(r"p(v)",                         lambda p_vh: sum(p_vh, 1)),
    p_h      = let(r"p(h)",                         lambda p_vh: sum(p_vh, 0)),
    p_h_v    = let(r"p(h \mid v)",                  lambda p_vh, p_v: p_vh / p_v[:, None]),
    p_v_h    = let(r"p(v \mid h)",                  lambda p_vh, p_h: T(p_vh / p_h)),
    step     = let(r"P(v^{\prime} \mid v)",         lambda p_h_v, p_v_h: p_h_v @ p_v_h),
    p_next   = let(r"p(v^{\prime})",                lambda p_v: p_v[None]),                                # [1, to]
    step_back = let(r"P(v \mid v^{\prime})",        lambda step: T(step)),
    s_h      = let(r"p(h_j = 1 \mid v)",            lambda v, W, c: 1 / (1 + exp(-(v @ W + c)))),
    drawn    = let(r"h^{\prime}",                   lambda u_h, s_h: below(u_h, s_h)),                     # the hidden bits that are drawn
    s_v      = let(r"p(v_i = 1 \mid h^{\prime})",   lambda drawn, W, b: 1 / (1 + exp(-(drawn @ W.T + b)))),
    p_data   = let(r"p_{\mathrm{data}}(v)",         lambda v_n, v: shares(v_n, v)))

rbm = Derivation("restricted Boltzmann machine", layers)

r"""
A *restricted Boltzmann machine* gives every picture $v$, a row of bits, some *hidden* bits $h$, which stand for what pixels
do together. $W_{i,j}$ ties pixel $i$ to hidden bit $j$. Restricted means: no ties within a layer. What is that good for?
"""

@rbm(r"-\sum_{i,j} v_i W_{i,j} h_j - \sum_i b_i v_i - \sum_j c_j h_j", let=r"E(v, h)", covers="rbm-energy")
def two_layers(v, W, h, b, c): return -einsum("vi,ij,hj->vh", v, W, h) - einsum("i,vi->v", b, v)[:, None] - einsum("j,hj->h", c, h)

@rbm("=", r"\operatorname{jointenergy}(v, h, W, b, c)", by="the function that runs")
def joint_called(v, h, W, b, c): return boltzmann.joint_energy(v[:, None], h, W, b, c)

"""
Once the pixels are known, the hidden bits no longer feel each other. Their law is a product of coins, so that all of them
are drawn at once. The same holds the other way round.
"""

@rbm(r"p(h \mid v)")
def given_seen(p_h_v): return p_h_v

@rbm("=", r"\prod_j \sigma_j^{h_j} (1 - \sigma_j)^{1 - h_j} \text{, where } \sigma_j = \sigma\left(\operatorname{hiddenlogits}(v, W, c)_j\right)", by="the energy is a sum over j, its exponential a product", covers="rbm-energy")
def hidden_called(h, v, W, c): return exp(sum(log_coin(h, boltzmann.hidden_logits(v, W, c)[:, None]), 2))

@rbm(r"p(v \mid h)")
def given_hidden(p_v_h): return p_v_h

@rbm("=", r"\prod_i \sigma_i^{v_i} (1 - \sigma_i)^{1 - v_i} \text{, where } \sigma_i = \sigma\left(\operatorname{visiblelogits}(h, W, b)_i\right)", by="the energy is a sum over i as well", covers="rbm-energy")
def visible_called(v, h, W, b): return exp(sum(log_coin(v, boltzmann.visible_logits(h, W, b)[:, None]), 2))

r"""
And so the hidden bits can be summed out, all $2^J$ states of them, in $J$ terms. What stays is an energy of $v$ alone, the *free
energy* $F$: with it the machine is a law of pictures like any other on this page.
"""

@rbm(r"-\log \sum_h e^{-E(v, h)}", let=r"F(v)")
def summed_out(E_vh): return -log(sum(exp(-E_vh), 1))

@rbm("=", r"-\sum_i b_i v_i - \sum_j \log\left(1 + e^{c_j + \sum_i v_i W_{i,j}}\right)", by="each hidden bit is 0 or 1: a product of sums of two", covers="rbm-free-energy")
def free(b, v, c, W): return -einsum("i,vi->v", b, v) - sum(log(1 + exp(c + einsum("vi,ij->vj", v, W))), 1)

@rbm("=", r"\operatorname{freeenergy}(v, W, b, c)", by="the function that the machine trains with")
def free_called(v, W, b, c): return boltzmann.free_energy(v, W, b, c)

# ---- The smaller layer alone -----------------------------------------------------------------------------------------
r"""
For checking everything else, $Z$ is wanted to the last digit. There are $2^{I + J}$ states. But a layer can be summed out,
so that only the other one has to be gone through: take the smaller.
"""

@rbm(r"\log \sum_{v,h} e^{-E(v, h)}", let=r"\log Z")
def joint_log_z(E_vh): return log(sum(exp(-E_vh)))

@rbm("=", r"\log \sum_v e^{\sum_i b_i v_i} \prod_j \left(1 + e^{c_j + \sum_i v_i W_{i,j}}\right)", by="the free energy's: the sum over h is done already")
def free_log_z(b, v, c, W): return log(sum(exp(einsum("i,vi->v", b, v)) * prod(1 + exp(c + einsum("vi,ij->vj", v, W)), 1)))

@rbm("=", r"\operatorname{logz}(W, b, c)", by="the larger layer is summed out, the smaller one gone through: 2^12 terms for 64 pixels and 12 hidden bits")
def log_z_called(W, b, c): return boltzmann.log_z(W, b, c)

@rbm(r"p(v)")
def seen(p_v): return p_v

@rbm("prop", r"e^{\sum_i b_i v_i} \prod_j \left(1 + e^{c_j + \sum_i v_i W_{i,j}}\right)", by="a product of experts: every hidden bit says how well it likes the picture", rests_on=free)
def experts(b, v, c, W): return exp(einsum("i,vi->v", b, v)) * prod(1 + exp(c + einsum("vi,ij->vj", v, W)), 1)

# ---- A walk that keeps the law ---------------------------------------------------------------------------------------
r"""
The pull on the parameters needs draws from the model. Walk: from a picture $v$ draw $h$, from $h$ draw the next picture
$v^{\prime}$. This is *Gibbs sampling*; $P(v^{\prime} \mid v)$ is the chance of one round. If $v$ came from the model,
does $v^{\prime}$?
"""

@rbm(r"p(v)\, P(v^{\prime} \mid v)")
def there(p_v, step): return p_v[:, None] * step

@rbm("=", r"\sum_h \frac{p(v, h)\, p(v^{\prime}, h)}{p(h)}", by="by way of any h; v and v' may be exchanged: detailed balance")
def balance(p_vh, p_to, p_h): return sum(p_vh[:, None] * p_to / p_h, 2)

@rbm(r"\sum_v p(v)\, P(v^{\prime} \mid v)", let=r"\text{the law after one round}")
def after(p_v, step): return sum(p_v[:, None] * step, 0)

@rbm("=", r"p(v)", by="what leaves a picture comes back: the walk keeps the law")
def kept(p_v): return p_v

@rbm(r"\mathbf{1}_{u_v < p(v_i = 1 \mid h^{\prime})}", let=r"v^{\prime} \text{, where } h^{\prime} = \mathbf{1}_{u_h < p(h_j = 1 \mid v)}")
def one_round(u_v, s_v): return u_v < s_v

@rbm("=", r"\operatorname{gibbs}(v, u_h, u_v, W, b, c)", by="the round that runs, with the uniform numbers that it is given")
def gibbs_called(v, u_h, u_v, W, b, c): return boltzmann.gibbs(v, u_h, u_v, W, b, c)

# ---- Awake and asleep ------------------------------------------------------------------------------------------------
r"""
What is learned? The pull on $W_{i,j}$ is again a difference of correlations: how often pixel $i$ and hidden bit $j$ are
on together, when the data say what is seen, and when the model dreams it up.
"""

@rbm(r"\nabla_W \mathbb{E}_{p_{\mathrm{data}}(v)}\left[\log \frac{\sum_h e^{\sum_{i,j} v_i W_{i,j} h_j - E_{W=0}(v, h)}}{\sum_{v,h} e^{\sum_{i,j} v_i W_{i,j} h_j - E_{W=0}(v, h)}}\right]", let=r"\text{the pull on } W", rests_on=down_and_up)
def layers_slope(W, p_data, v, h, E_0): return D(lambda W: E(p_data, log(sum(exp(einsum("vi,ij,hj->vh", v, W, h) - E_0), 1) / sum(exp(einsum("vi,ij,hj->vh", v, W, h) - E_0)))), W)

@rbm("=", r"\mathbb{E}_{p_{\mathrm{data}}(v)\, p(h \mid v)}\left[v_i h_j\right] - \mathbb{E}_{p(v, h)}\left[v_i h_j\right]", by="awake less asleep, for every pixel and every hidden bit")
def awake_and_asleep(p_data, p_h_v, v, h, p_vh): return E(p_data[:, None] * p_h_v, T(v)[:, None, :, None] * T(h)[:, None], (2, 3)) - E(p_vh, T(v)[:, None, :, None] * T(h)[:, None], (2, 3))

@rbm(r"\nabla_b \mathbb{E}_{p_{\mathrm{data}}(v)}\left[\log \frac{\sum_h e^{\sum_{i,j} v_i W_{i,j} h_j + \sum_i b_i v_i + \sum_j c_j h_j}}{\sum_{v,h} e^{\sum_{i,j} v_i W_{i,j} h_j + \sum_i b_i v_i + \sum_j c_j h_j}}\right]", let=r"\text{the pull on } b", rests_on=down_and_up)
def layers_slope_b(b, p_data, v, W, h, c): return D(lambda b: E(p_data, log(sum(exp(einsum("vi,ij,hj->vh", v, W, h) + einsum("i,vi->v", b, v)[:, None] + einsum("j,hj->h", c, h)), 1) / sum(exp(einsum("vi,ij,hj->vh", v, W, h) + einsum("i,vi->v", b, v)[:, None] + einsum("j,hj->h", c, h))))), b)

@rbm("=", r"\mathbb{E}_{p_{\mathrm{data}}(v)}\left[v\right] - \mathbb{E}_{p(v)}\left[v\right]", by="of what is seen alone: no hidden bit is asked")
def seen_and_dreamt(p_data, v, p_v): return E(p_data, v.T) - E(p_v, v.T)

@rbm(r"\nabla_c \mathbb{E}_{p_{\mathrm{data}}(v)}\left[\log \frac{\sum_h e^{\sum_{i,j} v_i W_{i,j} h_j + \sum_i b_i v_i + \sum_j c_j h_j}}{\sum_{v,h} e^{\sum_{i,j} v_i W_{i,j} h_j + \sum_i b_i v_i + \sum_j c_j h_j}}\right]", let=r"\text{the pull on } c", rests_on=down_and_up)
def layers_slope_c(c, p_data, v, W, h, b): return D(lambda c: E(p_data, log(sum(exp(einsum("vi,ij,hj->vh", v, W, h) + einsum("i,vi->v", b, v)[:, None] + einsum("j,hj->h", c, h)), 1) / sum(exp(einsum("vi,ij,hj->vh", v, W, h) + einsum("i,vi->v", b, v)[:, None] + einsum("j,hj->h", c, h))))), c)

@rbm("=", r"\mathbb{E}_{p_{\mathrm{data}}(v)\, p(h \mid v)}\left[h\right] - \mathbb{E}_{p(h)}\left[h\right]", by="of what is hidden alone")
def hidden_and_dreamt(p_data, p_h_v, h, p_h): return E(p_data[:, None] * p_h_v, T(h)[:, None], (1, 2)) - E(p_h, h.T)

# ---- A walk that is cut short ----------------------------------------------------------------------------------------
def walked(q, step, k):
    """q after k steps."""
    for _ in range(k):
        q = q @ step
    return q


def spectrum(p_v, step):
    """Eigenvalues [V], the largest, 1, last, and eigenvectors of the step, made symmetric by detailed balance."""
    return eigh((sqrt(p_v)[:, None] * step / sqrt(p_v) + T(sqrt(p_v)[:, None] * step / sqrt(p_v))) / 2)


def pairwise(p, f, g):
    """What the inequality of Cauchy and Schwarz leaves: a sum of squares over all pairs of states."""
    wedge = f[:, None, None] * g - f[:, None] * g[:, None]
    return sum(sum((p[:, None] * p)[..., None] * wedge**2, 0), 0) / 2


walks = World("k rounds of Gibbs sampling from the data", base=layers,
    k        = size(1, 4),
    q_k      = let(r"q_k(v)",        lambda p_data, step, k: walked(p_data, step, k)),
    ell      = let(r"\lambda",       lambda p_v, step: spectrum(p_v, step)[0]),
    a        = let(r"a",             lambda p_v, step, p_data: T(spectrum(p_v, step)[1]) @ (p_data / sqrt(p_v))),
    ell_s    = let(r"\lambda_s",     lambda ell: ell[:-1]),
    a_s      = let(r"a_s",           lambda a: a[:-1]),
    ell_2    = let(r"\lambda_2",     lambda ell: ell[-2]))

short = Derivation("contrastive divergence", walks, where=lambda p_v, ell_s: (p_v > 1e-5).all() & (ell_s < 0.999).all())

r"""
From anywhere, the walk reaches the model's law in the end. *Contrastive divergence* does not wait: it starts at the data
and stops after $k$ rounds, often after one. Its pictures have the law $q_k$, not $p$. What is climbed, then?
"""

@short(r"\mathbb{E}_{p_{\mathrm{data}}(v)}\left[v\right] - \mathbb{E}_{q_k(v)}\left[v\right]", let=r"\text{the step for } b \text{, on average}")
def short_pull(p_data, v, q_k): return E(p_data, v.T) - E(q_k, v.T)

@short("=", r"-\operatorname{grad}(\operatorname{contrast}(F, v_{1:N}, v, q_k))(b)", by="the same function as before, with draws that are not from the model")
def short_called(b, W, c, v_n, v, q_k): return -grad(lambda b: ebm.contrast(lambda v: boltzmann.free_energy(v, W, b, c), 1.0 * v_n, v, q_k))(b)

r"""
It is wrong by the difference of $q_k$ and $p$. How large is that? Every round shrinks it, in $2^I - 1$ directions, each by
a factor of its own: the *eigenvalues* $\lambda$ of the round. The slowest, $\lambda_2$, decides.
"""

@short(r"p(v)\, P(v^{\prime} \mid v)")
def onwards(p_v, step): return p_v[:, None] * step

@short("=", r"p(v^{\prime})\, P(v \mid v^{\prime})", by="as much goes one way as the other, so a round is symmetric but for weights: its eigenvalues are real", rests_on=balance)
def back_again(p_next, step_back): return p_next * step_back

@short(r"\sum_v \frac{(q_k(v) - p(v))^2}{p(v)}", let=r"\chi^2(q_k, p)")
def left_over(q_k, p_v): return sum((q_k - p_v)**2 / p_v)

@short("=", r"\sum_s \lambda_s^{2 k} a_s^2", by="along each direction by itself; a_s is how far the data lie in it")
def by_direction(ell_s, k, a_s): return sum(ell_s**(2 * k) * a_s**2)

@short("<=", r"\lambda_2^{2 k} \sum_v \frac{(p_{\mathrm{data}}(v) - p(v))^2}{p(v)}", by="no direction is slower than the slowest", to=left_over,
       tight=dict(p_data=lambda p_v, step: p_v + sqrt(p_v) * spectrum(p_v, step)[1][:, -2]), gap=lambda ell_2, ell_s, k, a_s: sum((ell_2**(2 * k) - ell_s**(2 * k)) * a_s**2))
def slowest(ell_2, k, p_data, p_v): return ell_2**(2 * k) * sum((p_data - p_v)**2 / p_v)

@short(r"\left(\mathbb{E}_{q_k(v)}\left[v\right] - \mathbb{E}_{p(v)}\left[v\right]\right)^2", let=r"\text{what is wrong, squared}")
def error_of_pull(q_k, v, p_v): return (E(q_k, v.T) - E(p_v, v.T))**2

@short("<=", r"\sum_v \frac{(q_k(v) - p(v))^2}{p(v)} \left(\mathbb{E}_{p(v)}\left[v\right] - \mathbb{E}_{p(v)}\left[v\right]^2\right)", by="Cauchy and Schwarz, and a bit's variance: so the step's error falls at least as the slowest direction does", rests_on=slowest,
       gap=lambda q_k, p_v, v: pairwise(p_v, q_k / p_v - 1, v - E(p_v, v.T)))
def error_falls(q_k, p_v, v): return sum((q_k - p_v)**2 / p_v) * (E(p_v, v.T) - E(p_v, v.T)**2)

# ---- A ladder to log Z -----------------------------------------------------------------------------------------------
def law_of_walks(p, steps, path):
    """The chance of every path: its start's, and that of each step."""
    chance = p[path[:, 0]]
    for t in range(path.shape[1] - 1):
        chance = chance * steps[t + 1, path[:, t], path[:, t + 1]]
    return chance


ladder = World("a few states, and every walk up a ladder",
    X        = size(1, 3),
    K        = size(1, 3),
    N        = size(2, 6),
    rungs    = tex(r"\Delta",                positive("K")),
    E_0      = tex(r"E_0",                   real("X")),
    E_1      = tex(r"E_1",                   real("X")),
    kappa    = tex(r"\kappa",                unit()),
    l_n      = tex(r"\ell_n",                real("N")),
    w_bar    = let(r"\bar w",                lambda l_n, N: sum(exp(l_n)) / N),
    beta     = let(r"\beta",                 lambda rungs: concatenate([zeros(1), cumsum(rungs) / sum(rungs)])),
    E_t      = let(r"E_t",                   lambda beta, E_0, E_1: (1 - beta[:, None]) * E_0 + beta[:, None] * E_1),
    p_t      = let(r"p_t",                   lambda E_t: exp(-E_t) / sum(exp(-E_t), 1)[:, None]),
    P_t      = let(r"P_t",                   lambda kappa, p_t, X: kappa * p_t[:, None] + (1 - kappa) * eye(X)),
    path     = let(r"x_{0:K-1}",             lambda X, K: arange(X**K)[:, None] // X**arange(K) % X),
    q        = let(r"q(x_{0:K-1})",          lambda p_t, P_t, path: law_of_walks(p_t[0], P_t, path)),
    r        = let(r"r(x_{0:K-1})",          lambda p_t, P_t, path: law_of_walks(p_t[-1], P_t[::-1], path[:, ::-1])),
    w        = let(r"w",                     lambda E_t, path, K: exp(sum(E_t[arange(K), path] - E_t[arange(1, K + 1), path], 1))))

annealed = Derivation("annealed importance sampling", ladder)

r"""
For judging a model, $Z$ itself is wanted. Of some law with energy $E_0$ it is known, say of fair coins. Lead over to the
model's energy, $E_1$, in $K$ rungs: $E_t$ is a mixture of both. On each rung note the change of energy, then take a step
$P_t$ that keeps the rung's law.
"""

@annealed(r"\mathbb{E}_{q(x_{0:K-1})}\left[w\right]", let=r"\text{the mean weight of all walks}")
def mean_weight(q, w): return E(q, w)

@annealed("=", r"\frac{\sum_x e^{-E_1}}{\sum_x e^{-E_0}}", by="right on average, however few the rungs and however lazy the steps")
def ratio_of_z(E_1, E_0): return sum(exp(-E_1)) / sum(exp(-E_0))

r"""
So a mean over walks has no bias. Its logarithm has: by [Jensen](divergences.log_mean) it comes out too low. What is lost is
the KL from the walk up, $q$, to the walk down, $r$. More rungs make the two alike.
"""

@annealed(r"\log \frac{\sum_x e^{-E_1}}{\sum_x e^{-E_0}}")
def log_ratio_of_z(E_1, E_0): return log(sum(exp(-E_1)) / sum(exp(-E_0)))

@annealed(">=", r"\mathbb{E}_{q(x_{0:K-1})}\left[\log w\right]", by="Jensen: a bound, once more", gap=lambda q, r: KL(q, r))
def mean_log_weight(q, w): return E(q, log(w))

@annealed("=", r"\mathbb{E}_{q(x_{0:K-1})}\left[\operatorname{ais}(x_0, \beta)\right]", by="the function that runs, here on every walk that there is")
def ais_called(q, path, beta, E_0, E_1, K):
    return E(q, ais.ais(path[:, 0], beta, lambda x, beta: ((1 - beta) * E_0 + beta * E_1)[x], lambda t, x, beta: path[:, (t + 1) % K]))

"""
How far off may an estimate be? The error of a mean is the spread of its terms over the square root of their number. A
logarithm is nearly straight over so short a way, so its error is that of the mean, divided by the mean.
"""

@annealed(r"\log \bar w,\ \sqrt{\frac{\sum_n \left(\frac{e^{\ell_n}}{\bar w} - 1\right)^2}{(N - 1)\, N}}", let=r"\text{the estimate and its error}")
def estimate(w_bar, l_n, N): return log(w_bar), sqrt(sum((exp(l_n) / w_bar - 1)**2) / ((N - 1) * N))

@annealed("=", r"\operatorname{logmeananderror}(\ell_n)", by="from the logarithms of the weights, without overflow")
def error_called(l_n): return ais.log_mean_and_error(l_n)

# ---- Noise that keeps the law ----------------------------------------------------------------------------------------
def nodes(mean, variance):
    """Three points, on a last axis, that have the moments of a normal law."""
    return mean[..., None] + sqrt(variance) * gaussian(3)[0]


on_the_line = World("a normal law on the line, and a step towards it",
    h     = tex(r"h",              unit()),
    x     = tex(r"x",              real()),
    xi    = tex(r"\xi",            real()),
    mu    = tex(r"\mu",            real()),
    s2    = tex(r"\sigma^2",       positive()),
    m     = tex(r"m",              real()),
    v     = tex(r"v",              positive()),
    alpha = let(r"\alpha",         lambda h: 2 * h),
    s     = let(r"s(x)",           lambda x, mu, s2: (mu - x) / s2),
    w     = let(r"w",              lambda: gaussian(3)[1]),                                # the chances of three points
    x_w   = let(r"x_w",            lambda m, v: nodes(m, v)),                              # that stand for a normal law,
    y     = let(r"y",              lambda x_w, h, mu, s2: nodes(x_w + h * (mu - x_w) / s2, 2 * h)),     # and after a step from each
    q     = let(r"q(y)",           lambda w: w[:, None] * w))

langevins = Derivation("Langevin dynamics", on_the_line, where=lambda h, s2: h < s2)

r"""
States need not be bits. Where $x$ is a number, the energy has a slope, and $-\nabla_x E(x) = \nabla_x \log p(x) = s(x)$
is called the *score*: $Z$ is not in it. Go downhill by a small $h$ and shake: that is *Langevin's* step. How hard must one
shake, so that neither all ends in the valley nor everything flies apart?
"""

@langevins(r"x + h\, s(x) + \sqrt{2 h}\, \xi", let=r"x^{\prime}")
def downhill(x, h, s, xi): return x + h * s + sqrt(2 * h) * xi

@langevins("=", r"x + \frac{\alpha}{2} s(x) + \sqrt{\alpha}\, \xi", by="the same with alpha = 2 h", covers="langevin-step")
def by_alpha(x, alpha, s, xi): return x + alpha / 2 * s + sqrt(alpha) * xi

@langevins("=", r"\operatorname{ulastep}(x, s, h, \xi)", by="the function that runs")
def ula_called(x, mu, s2, h, xi): return langevin.ula_step(x, lambda x: (mu - x) / s2, h, xi)

r"""
Try it where all is known. Let $p$ be a normal law with mean $\mu$ and variance $\sigma^2$, and let $x$ have mean $m$ and
variance $v$ before the step. After it?
"""

@langevins(r"\mathbb{E}_{q(y)}\left[y\right],\ \mathbb{E}_{q(y)}\left[y^2\right] - \mathbb{E}_{q(y)}\left[y\right]^2", let=r"\text{mean and variance}")
def moments(q, y): return E(q, y, (0, 1)), E(q, y**2, (0, 1)) - E(q, y, (0, 1))**2

@langevins("=", r"m + \frac{h}{\sigma^2} (\mu - m),\ \left(1 - \frac{h}{\sigma^2}\right)^2 v + 2 h", by="the slope pulls both in, the noise adds its own variance")
def moments_after(m, h, s2, mu, v): return m + h / s2 * (mu - m), (1 - h / s2)**2 * v + 2 * h

@langevins(r"\left(1 - \frac{h}{\sigma^2}\right)^2 v + 2 h - v", let=r"\text{what a step adds to the variance}")
def variance_gained(h, s2, v): return (1 - h / s2)**2 * v + 2 * h - v

@langevins("root", r"\frac{\sigma^2}{1 - \frac{h}{2 \sigma^2}}", of=variance_gained, over="v", by="where pull and noise are even: the variance that the walk ends with")
def stationary(s2, h): return s2 / (1 - h / (2 * s2))

r"""
A long step makes the law too wide; short ones mend that, or [steps that may be refused](energies.accepted_balance).

So a law known up to $Z$ can be drawn from, by walks. This walk asked for the slope of $\log p$ alone, and in a slope
there is no $Z$. What if a network learned nothing else? That is [a score](scores).
"""

@langevins("->", r"\sigma^2", as_="h", order=1, by="too wide, by about h / 2")
def stationary_end(s2): return s2

# ---- The wrong noise -------------------------------------------------------------------------------------------------
r"""
Why the root? A slip that is easily made is noise $h \xi$ in the place of $\sqrt{2 h}\, \xi$. The walk looks as before, and
comes to rest as before. But where?
"""

@langevins(r"\left(1 - \frac{h}{\sigma^2}\right)^2 v + h^2 - v", let=r"\text{with } h \text{ for } \sqrt{2 h}")
def wrong_gained(h, s2, v): return (1 - h / s2)**2 * v + h**2 - v

@langevins("root", r"\frac{h}{2} \cdot \frac{\sigma^2}{1 - \frac{h}{2 \sigma^2}}", of=wrong_gained, over="v", by="h / 2 of what it was")
def wrong_stationary(h, s2): return h / 2 * (s2 / (1 - h / (2 * s2)))

@langevins("->", r"0", as_="h", order=1, by="the smaller the step, the less is left: everything ends in the valley")
def wrong_end(): return 0

# ---- A step that may be refused --------------------------------------------------------------------------------------
wells = World("points, and a law with tails that fall off fast",
    N      = size(1, 6),
    P      = size(1, 2),
    h      = tex(r"h",             unit()),
    c      = tex(r"c",             real("P")),
    x      = tex(r"x",             real("N", "P")),
    y      = tex(r"y",             real("N", "P")),
    xi     = tex(r"\xi",           real("N", "P")),
    u      = tex(r"u",             unit("N")),
    p_x    = let(r"\log p(x)",     lambda x, c: sum(c * x - x**4 / 4, 1)),
    p_y    = let(r"\log p(y)",     lambda y, c: sum(c * y - y**4 / 4, 1)),
    q_y_x  = let(r"\log q(y \mid x)",  lambda x, y, h, c: log_step(x, y, h, c)),
    q_x_y  = let(r"\log q(x \mid y)",  lambda x, y, h, c: log_step(y, x, h, c)),
    z      = let(r"z",             lambda x, h, c, xi: x + h * (c - x**3) + sqrt(2 * h) * xi),         # what is proposed,
    A      = let(r"A",             lambda x, z, h, c: exp(log_p(z, c) + log_step(z, x, h, c) - log_p(x, c) - log_step(x, z, h, c))))     # and how gladly


def log_p(x, c):
    """log p of every point, but for log Z."""
    return sum(c * x - x**4 / 4, 1)


def log_step(x, y, h, c):
    """log density of y, one step from x."""
    return sum(-(y - x - h * (c - x**3))**2 / (4 * h) - log(4 * pi * h) / 2, 1)


mala = Derivation("Metropolis and Hastings", wells)

"""
Langevin's law is a little too wide. That can be mended: take the step as a proposal, from $x$ to $y$, and refuse it now and
then, so that between any two points as much flows one way as the other. What is compared are four densities; of $p$ only
a ratio, so that $Z$ cancels once more.
"""

@mala(r"\log p(y) + \log q(x \mid y) - \log p(x) - \log q(y \mid x)", let=r"\log A")
def acceptance(p_y, q_x_y, p_x, q_y_x): return p_y + q_x_y - p_x - q_y_x

@mala("=", r"\operatorname{logacceptance}(x, y, \log p, s, h)", by="what all densities of the noise have in common cancels")
def accepted_called(x, y, c, h): return langevin.log_acceptance(x, y, lambda x: sum(c * x - x**4 / 4, -1), lambda x: c - x**3, h)

@mala(r"\log p(x) + \log q(y \mid x) + \min(0, \log p(y) + \log q(x \mid y) - \log p(x) - \log q(y \mid x))", let=r"\log \text{ of what flows from } x \text{ to } y")
def accepted_flow(p_x, q_y_x, p_y, q_x_y): return p_x + q_y_x + minimum(0, p_y + q_x_y - p_x - q_y_x)

@mala("=", r"\min(\log p(x) + \log q(y \mid x), \log p(y) + \log q(x \mid y))", by="the lesser of the two flows, both ways: x and y may be exchanged, so p is kept, exactly")
def accepted_balance(p_x, q_y_x, p_y, q_x_y): return minimum(p_x + q_y_x, p_y + q_x_y)

@mala("=", r"\log p(y) + \log q(x \mid y) + \min(0, \log p(x) + \log q(y \mid x) - \log p(y) - \log q(x \mid y))", by="what flows from y to x", to=accepted_flow)
def accepted_back(p_y, q_x_y, p_x, q_y_x): return p_y + q_x_y + minimum(0, p_x + q_y_x - p_y - q_x_y)

@mala(r"\mathbf{1}_{u < A}\, z + \mathbf{1}_{u \geq A}\, x", let=r"\text{where } x \text{ goes to}")
def accepted(u, A, z, x): return (u < A)[:, None] * z + (u >= A)[:, None] * x

@mala("=", r"\operatorname{malastep}(x, \log p, s, h, \xi, u)", by="the step that runs")
def mala_called(x, c, h, xi, u): return langevin.mala_step(x, lambda x: sum(c * x - x**4 / 4, -1), lambda x: c - x**3, h, xi, u)
