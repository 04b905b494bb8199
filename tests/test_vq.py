"""Laws of codes of whole numbers: what is nearest, where the gradient goes, how codes are learned, what they cost."""
import itertools
import math

import numpy as np
import pytest
from scipy import stats

from backends import no_sync, to_host, use, xp
from backends.random import Stream
from scratch import trees
from scratch.autodiff import grad, straight_through, value_and_grad
from scratch.autoencoders import VQVAE, vq
from scratch.autoencoders.likelihoods import LIKELIHOODS
from scratch.autoencoders.vqvae import block, convolutional
from scratch.data import Data, load
from scratch.train import fit

SEED  = Stream.seed(0)("test_vq")
seeds = pytest.mark.parametrize("seed", range(5))
BOOKS = pytest.mark.parametrize("codebook", ["loss", "average"])


def quick(**more):
    """A model of 4 x 4 images of five levels that is quick."""
    return VQVAE(**{"levels": 5, "shape": (4, 4), "net": "mlp", "hidden": (6,), "positions": 3, "codes": 6, "dim": 2,
                    **more})


def begin(model, N=30, dtype="float64"):
    """The state, its params and stats in this precision, and examples."""
    x     = SEED("x").integers(0, model.levels or 5, (N, 16)).astype("uint8" if model.levels else "float32")
    state = model.start(SEED("init"), {"x": x})
    return state, *trees.map(lambda a: a.astype(dtype), (state.params, state.stats)), x


# ---- the nearest code ------------------------------------------------------------------------------------------------
@seeds
def test_the_nearest_code_is_the_first_of_the_least_distances(seed):
    """Of whole numbers, where many are tied, and of real ones; any axes in front."""
    rng = np.random.default_rng(seed)
    z   = rng.integers(-2, 3, (4, 5, 3)).astype(float)
    for e in (rng.integers(-2, 3, (8, 3)).astype(float), rng.normal(size=(7, 3))):
        d2 = ((z[..., None, :] - e)**2).sum(-1)
        assert np.array_equal(vq.assign(z, e), d2.argmin(-1))
    assert np.array_equal(vq.assign(z, np.repeat(e, 2, axis=0)), 2 * d2.argmin(-1))


def test_far_from_0_in_single_precision_the_nearest_code_is_the_same():
    """Of whole numbers 2^20 away, whose squares are not: exactly."""
    z, e = (SEED(name).integers(-20, 21, (n, 3)) for name, n in (("z", 200), ("e", 8)))
    far  = [(a + 2**20).astype("float32") for a in (z, e)]
    assert np.array_equal(vq.assign(*far), vq.assign(z.astype(float), e.astype(float)))


def test_as_many_codes_as_points_lose_nothing():
    """The encoder's words are few; with one code less than there are, something is lost."""
    x     = np.array(list(itertools.product((0.0, 1.0, 3.0), repeat=4)))
    words = np.array(list(itertools.product((0.0, 1.0, 3.0), repeat=2)))
    lost  = lambda e: vq.terms(x, lambda x: x.reshape(-1, 2, 2), lambda z: (z.reshape(-1, 4),), e,
                               lambda x, y: -np.sum((x - y)**2, axis=1))[:3]
    assert not np.any(lost(words)) and all(np.any(term) for term in lost(words[1:]))


# ---- where the gradient goes -----------------------------------------------------------------------------------------
def linear_terms(z, e, W, terms=vq.terms):
    """log p, codebook and commitment, summed over the batch, of what the encoder says and a decoder of one map."""
    x = np.cos(np.arange(z.shape[0] * 4.0)).reshape(-1, 4)
    return [xp.sum(term) for term in terms(x, lambda _: z, lambda z: (xp.tanh(xp.reshape(z, (len(x), -1)) @ W), 0 * x),
                                           e)[:3]]


def goes_where_it_should(seed, terms=vq.terms):
    """The whole of it: of each of three terms the derivative in what the encoder says, and in the codes."""
    rng   = np.random.default_rng(seed)
    z, e, W = rng.normal(size=(5, 3, 2)), rng.normal(size=(20, 2)), rng.normal(size=(6, 4))
    k     = vq.assign(z, e)
    e_k   = e[k]
    names = ("reconstruction", "codebook", "commitment")
    in_z  = {name: grad(lambda z: linear_terms(z, e, W, terms)[i])(z) for i, name in enumerate(names)}
    in_e  = {name: grad(lambda e: linear_terms(z, e, W, terms)[i])(e) for i, name in enumerate(names)}
    pulls = np.zeros_like(e)
    np.add.at(pulls, k, 2 * (e_k - z))
    np.testing.assert_allclose(in_e["codebook"], pulls, rtol=1e-13, atol=1e-13)
    assert not np.any(in_e["codebook"][np.setdiff1d(np.arange(20), k)]) and len(np.unique(k)) < 20
    assert not np.any(in_e["reconstruction"]) and not np.any(in_e["commitment"]) and not np.any(in_z["codebook"])
    assert np.array_equal(in_z["commitment"], 2 * (z - e_k)) and np.any(in_z["reconstruction"])
    z_q = grad(lambda z_q: linear_terms(z_q, e, W, lambda x, encode, decode, e: (
        vq.gaussian_log_prob(x, *decode(encode(x))), 0, 0))[0])(e_k)
    assert np.array_equal(in_z["reconstruction"], z_q)                          # bit by bit


def wrong_terms(codebook, commitment, seen):
    """Terms of which each is a function of z_e, e_k and the straight-through z_q."""
    def terms(x, encode, decode, e):
        z_e = encode(x)
        e_k = e[vq.assign(z_e, e)]
        z_q = straight_through(e_k, z_e)
        return (vq.gaussian_log_prob(x, *decode(seen(z_e, e_k, z_q))), vq.codebook_loss(*codebook(z_e, e_k, z_q)),
                vq.commitment_loss(*commitment(z_e, e_k, z_q)))
    return terms


#                             the codebook's loss is of   the commitment is of         the decoder sees
WRONG = {
    "right":      wrong_terms(lambda z, e, q: (z, e),     lambda z, e, q: (z, e),      lambda z, e, q: q),
    "codebook":   wrong_terms(lambda z, e, q: (z, q),     lambda z, e, q: (z, e),      lambda z, e, q: q),
    "commitment": wrong_terms(lambda z, e, q: (z, e),     lambda z, e, q: (q, e),      lambda z, e, q: q),
    "swapped":    wrong_terms(lambda z, e, q: (e, z),     lambda z, e, q: (e, z),      lambda z, e, q: q),
    "codes":      wrong_terms(lambda z, e, q: (z, e),     lambda z, e, q: (z, e),      lambda z, e, q: e),
    "both":       wrong_terms(lambda z, e, q: (z, e),     lambda z, e, q: (z, e),      lambda z, e, q: z + (e - z)),
}


@seeds
def test_the_gradient_goes_where_it_should_and_nowhere_else(seed):
    """Not so where a loss is taken after straight-through is patched in, though the codebook's has the same value."""
    goes_where_it_should(seed)
    goes_where_it_should(seed, WRONG["right"])
    for name in set(WRONG) - {"right"}:
        with pytest.raises(AssertionError):
            goes_where_it_should(seed, WRONG[name])
    z, e = (np.random.default_rng(seed).normal(size=shape) for shape in ((5, 3, 2), (6, 2)))
    assert linear_terms(z, e, np.ones((6, 4))) == linear_terms(z, e, np.ones((6, 4)), WRONG["codebook"])


def slopes(model, terms=lambda found: found):
    """The gradient of some of a model's terms in all of its params."""
    _, params, stats_, x = begin(model)
    x = model.seen(x, SEED("x"), "float64")
    return grad(lambda params: xp.mean(terms(model._terms(params, stats_, x))))(params)


def nothing(tree):
    return not any(np.any(a) for a in trees.leaves(tree))


@pytest.mark.parametrize("net", ["mlp", "conv"])
def test_each_term_moves_its_part_of_the_model(net):
    model = quick(net=net, blocks=0)                                # what a block adds is 0 at the start
    log_p, codebook, commitment = (slopes(model, lambda found: found[i]) for i in range(3))
    assert nothing([log_p["codebook"], codebook["encoder"], codebook["decoder"]])
    assert nothing([commitment["codebook"], commitment["decoder"]])
    for moved in (log_p["encoder"], log_p["decoder"], codebook["codebook"], commitment["encoder"]):
        assert all(np.any(a) for a in trees.leaves(moved))


@BOOKS
def test_without_commitment_the_encoder_learns_from_the_reconstruction_alone(codebook):
    def learns(beta):
        model = quick(codebook=codebook, beta=beta)
        _, params, stats_, x = begin(model)
        return grad(lambda params: model.loss(params, stats_, {"x": x}, SEED)[0])(params)
    alone = slopes(quick(codebook=codebook), lambda found: -found[0])
    for a, b, c in zip(*(trees.leaves(tree["encoder"]) for tree in (learns(0.0), alone, learns(1.0)))):
        assert np.array_equal(a, b) and not np.array_equal(a, c)


@BOOKS
@pytest.mark.parametrize("net", ["mlp", "conv"])
def test_another_autodiff_finds_the_same_gradient(net, codebook):
    model = quick(net=net, codebook=codebook)
    _, params, stats_, x = begin(model)
    both  = value_and_grad(lambda params: model.loss(params, stats_, {"x": x}, SEED)[0])
    value, ours = both(params)
    with use("autograd"):
        peer, theirs = both(params)
    most = max(np.max(abs(g)) for g in trees.leaves(theirs))
    assert math.isclose(value, peer, rel_tol=1e-12)
    for a, b in zip(trees.leaves(ours), trees.leaves(theirs)):
        assert a.shape == b.shape and np.max(abs(a - b)) <= 1e-12 * most


# ---- the loss --------------------------------------------------------------------------------------------------------
@BOOKS
@pytest.mark.parametrize("decoder, levels", [(name, n) for name, row in LIKELIHOODS.items()
                                             for n in ((5, 2) if row.whole else (5, None))])
def test_the_loss_is_its_terms_with_any_decoder_and_samples_are_data(decoder, levels, codebook):
    model = quick(decoder=decoder, levels=levels, codebook=codebook, beta=0.7, smoothing=1e-3)
    _, params, stats_, x = begin(model)
    value, (after, terms) = model.loss(params, stats_, {"x": x}, SEED)
    found = model.evaluate(params, stats_, {"x": x}, SEED)
    seen  = model.seen(x, SEED("x"), "float64")
    z, e  = model._encode(params, stats_, seen), model.book(params, stats_)
    k     = ((z[:, :, None] - e)**2).sum(-1).argmin(-1)
    lost  = ((z - e[k])**2).sum((1, 2)).mean()
    assert math.isclose(terms["codebook"], lost, rel_tol=1e-12) and terms["codebook"] == terms["commitment"]
    want  = 0.7 * lost - terms["reconstruction"] - model.bins(16) + (lost if codebook == "loss" else 0)
    assert math.isclose(value, want, rel_tol=1e-12)
    assert math.isclose(found["reconstruction"].mean(), terms["reconstruction"], rel_tol=1e-12)
    np.testing.assert_allclose(found["ELBO"], found["reconstruction"] - found["KL"], rtol=1e-12)
    N = 0.99 * stats_["N"] + 0.01 * np.stack([np.bincount(k[:, i], minlength=6) for i in range(3)])
    np.testing.assert_allclose(after["N"], N, rtol=1e-12)
    assert math.isclose(terms["perplexity"], vq.perplexity(N.sum(0) / N.sum()), rel_tol=1e-12)
    drawn = model.sample(params, stats_, SEED, 200)
    assert drawn.shape == (200, 16) and np.isfinite(drawn).all()
    assert drawn.dtype == ("int64" if levels else "float64") and (not levels or 0 <= drawn.min() <= drawn.max() < 5)
    shown = model.pictures(params, stats_, {"x": x}, SEED)
    assert shown["reconstructions"].shape == (30, 2, 16) and shown["means"].shape == (64, 16)
    np.testing.assert_array_equal(model.encode(params, stats_, x, SEED), k)
    for a, b in zip(model.decode(params, stats_, k), model._decode(params, stats_, e[k])):
        np.testing.assert_array_equal(a, b)


# ---- where it starts -------------------------------------------------------------------------------------------------
@BOOKS
def test_it_starts_as_if_each_code_had_been_nearest_to_itself_once(codebook):
    """Codes that are words of rows from everywhere in the data: here the first eight rows are one."""
    model = quick(codebook=codebook)
    x     = SEED("x").integers(0, 5, (200, 16)).astype("uint8")
    x[:8] = x[0]
    state = model.start(SEED("init"), {"x": x})
    e, N  = model.book(state.params, state.stats), state.stats["N"]
    words = model._encode(state.params, state.stats, model.seen(x, SEED, "float32")).reshape(-1, 2)
    assert N.shape == (3, 6) and len(np.unique(e, axis=0)) == 6 and np.ptp(N) == 0
    np.testing.assert_allclose(N.sum(0), 1, rtol=1e-6)
    assert all(abs(words - code).max(1).min() < 1e-5 for code in e)
    assert not (abs(words[:24, None] - e).max(-1).min(0) < 1e-5).all()
    if codebook == "average":
        np.testing.assert_allclose(vq.codes(N.sum(0), state.stats["m"], 0 * e, 0.0), e, rtol=1e-6)


@pytest.mark.parametrize("net", ["mlp", "conv"])
def test_the_encoder_sees_data_in_their_own_units(net):
    x     = SEED("x").normal((50, 16))
    model = quick(levels=None, decoder="gaussian", net=net)
    def words(x):
        state = model.start(SEED("init"), {"x": x})
        return model._encode(state.params, state.stats, x), model.evaluate(state.params, state.stats, {"x": x}, SEED)
    (here, found), (there, far) = words(x), words(64 * x + 100)
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-5 * abs(here).max())
    np.testing.assert_allclose(found["ELBO"] - far["ELBO"], 16 * math.log(64), rtol=0, atol=1e-4)


def test_the_last_layer_of_a_convolutional_net_is_affine_and_a_residual_block_starts_as_what_it_is_given():
    """Twice its weights are twice what it says; and no two layers start from the same draws."""
    m = quick(net="conv", hidden=(4, 4), blocks=2)
    for (init, apply), x in zip(convolutional(m, (4, 4)), (SEED("x").normal((5, 16)), SEED("z").normal((5, 1, 2)))):
        params = init(SEED("init"))
        twice  = [*params[:-1], {"W": 2 * params[-1]["W"], "b": params[-1]["b"]}]
        np.testing.assert_allclose(np.array(apply(twice, x)), 2 * np.array(apply(params, x)), rtol=1e-5, atol=1e-6)
        blocks = [layer for layer in params if isinstance(layer, list)]
        assert len(blocks) == 2 and not np.array_equal(blocks[0][0]["W"], blocks[1][0]["W"])
    init, apply = block(np.tanh, 2, 4)
    params, x   = init(SEED("init")), SEED("x").normal((3, 5, 5, 4))
    moved       = trees.map(lambda a: a + 0.1, params)
    assert np.array_equal(apply(params, x), x) and np.max(abs(apply(moved, x) - x)) > 0.1


# ---- how the codebook learns -----------------------------------------------------------------------------------------
def test_it_quantises_first_and_then_averages():
    """The terms are of the codes that were; the codes that will be are of what was nearest to those."""
    model = quick(codebook="average", decay=0.8)
    _, params, stats_, x = begin(model)
    _, (after, terms)    = model.loss(params, stats_, {"x": x}, SEED)
    z, e  = model._encode(params, stats_, model.seen(x, SEED("x"), "float64")), stats_["codebook"]
    k     = vq.assign(z, e)
    assert math.isclose(terms["codebook"], ((z - e[k])**2).sum((1, 2)).mean(), rel_tol=1e-12)
    m     = 0.8 * stats_["m"] + 0.2 * np.stack([z[k == i].sum(0) for i in range(6)])
    N     = 0.8 * stats_["N"].sum(0) + 0.2 * np.bincount(k.ravel(), minlength=6)
    N_s   = (N + 0.01 * N.mean()) / 1.01
    np.testing.assert_allclose(after["m"], m, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(after["codebook"], m / N_s[:, None], rtol=1e-12, atol=1e-14)
    assert np.max(abs(after["codebook"] - e)) > 1e-3


@seeds
def test_shares_sum_to_one_and_their_perplexity_lies_between_one_and_k(seed):
    N = np.random.default_rng(seed).integers(0, 9, (4, 7)) * 1.0
    p = vq.shares(N, 0.3)
    np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-14)
    assert (p > 0).all() and ((1 <= vq.perplexity(p)) & (vq.perplexity(p) <= 7)).all()
    assert vq.perplexity(np.eye(7)[seed]) == 1 and math.isclose(vq.perplexity(np.full(7, 1 / 7)), 7, rel_tol=1e-14)
    np.testing.assert_allclose(vq.perplexity(np.array([0.5, 0.5, 0.0])), 2, rtol=1e-14)


@BOOKS
@pytest.mark.parametrize("backend", ["numpy", "strict"])
def test_codes_hardly_used_become_encodings_and_the_others_stay_bit_by_bit(codebook, backend):
    """Beside the same step without it, in the average of the weights too; and those of the revived go on from twice the
    least use."""
    def step(least):
        model = quick(codebook=codebook, least=least, ema=0.9)
        with use(backend):
            state = model.start(SEED("init"), {"x": xp.asarray(to_host(begin(model)[-1]))})
            model.book(state.params, state.stats)[:2] = 1e3                     # two codes that nothing is near to
            state.stats["N"][:, :2], state.stats["N"][:, 2:] = 0.01, 9
            batch = {"x": xp.asarray(to_host(begin(model)[-1]))}
            z_e   = model._encode(state.params, state.stats, model.seen(batch["x"], SEED("x"), "float32"))
            z_e   = to_host(z_e).reshape(-1, 2)
            with no_sync():
                after, _ = model.update(state, batch, SEED("step"))
            books = [to_host(model.book(p, after.stats))[:2] for p in (after.params, model.weights(after))]
            assert np.array_equal(*books) or not least
            return z_e, *(to_host(a) for a in (model.book(after.params, after.stats), after.stats["N"],
                                               after.stats.get("m", after.stats["N"])))
    (z, e, N, m), (_, plain, N_plain, m_plain) = step(0.2), step(0.0)
    assert np.array_equal(e[2:], plain[2:]) and np.array_equal(N[:, 2:], N_plain[:, 2:])
    assert all((code == z).all(1).any() for code in e[:2]) and not any((code == z).all(1).any() for code in plain[:2])
    np.testing.assert_allclose(N[:, :2], 0.4 * N_plain.mean(), rtol=1e-6)
    if codebook == "average":
        assert np.array_equal(m[2:], m_plain[2:])
        np.testing.assert_allclose(m[:2], 0.4 * N_plain.sum(0).mean() * e[:2], rtol=1e-6)


@BOOKS
def test_a_code_is_put_onto_any_encoding_of_the_batch_where_its_use_is_below_a_share_of_an_even_one(codebook):
    """At half the even use: with 0.55 it is, with 0.45 not, whatever the smoothing."""
    def step(least, t):
        model = quick(codebook=codebook, least=least, decay=0.9999, smoothing=10.0)
        state, *_, x = begin(model)
        model.book(state.params, state.stats)[0] = 1e3
        state.stats["N"][:] = [1, *[2.2] * 5]
        batch = {"x": x}
        z     = model._encode(state.params, state.stats, model.seen(x, SEED, "float32")).reshape(-1, 2)
        after, _ = model.update(state, batch, SEED(t))
        return np.flatnonzero((z == model.book(after.params, after.stats)[0]).all(1))
    assert all(len(step(0.45, t)) == 0 for t in range(3))
    rows = [step(0.55, t)[0] for t in range(6)]
    assert len(set(rows)) > 1 and max(rows) >= 18 > 6                           # not those of the first examples


@BOOKS
def test_encodings_that_wait_for_dead_codes_are_different_ones(codebook):
    model = quick(codebook=codebook)
    _, params, stats_, x = begin(model)
    for t in range(40):
        spare = model.loss(params, stats_, {"x": x}, SEED(t))[1][0]["spare"]
        assert spare.shape == (6, 2) and len(np.unique(spare, axis=0)) == 6


def test_a_code_far_away_moves_no_other_point_to_another_code():
    x, e = (np.random.default_rng(i).normal(size=(n, 3)) for i, n in enumerate((500, 8)))
    e[3] = 1e6
    near = np.argmin(((x[:, None] - e)**2).sum(-1), axis=1)
    assert np.array_equal(vq.assign(x.astype("float32"), e.astype("float32")), near)


@BOOKS
def test_from_a_bad_start_revival_lifts_the_use_of_the_codebook(codebook):
    """All codes but one far off: without revival one is used, with it nearly half of them, on the digits."""
    data = load("digits", SEED)
    def perplexity(least):
        model = VQVAE(levels=17, net="mlp", hidden=(32,), codes=16, dim=4, codebook=codebook, least=least, decay=0.9,
                      smoothing=0.0)
        state = model.start(SEED, data.train)
        model.book(state.params, state.stats)[1:] += 1e3
        if codebook == "average":
            state.stats["m"][1:] += 1e3
        *_, (state, metrics) = fit(model, state, model.batches(data.train, SEED, 0), SEED, 100)
        return metrics["perplexity"]
    assert perplexity(0.0) < 1.2 and perplexity(0.1) > 7


# ---- what a code costs -----------------------------------------------------------------------------------------------
def counted(model):
    """A model's params, and stats whose averages are of all its data: with no memory."""
    _, params, stats_, x = begin(model)
    return params, model.loss(params, stats_, {"x": x}, SEED)[1][0], x


def test_of_a_uniform_prior_the_kl_is_n_log_k_and_on_what_is_counted_frequencies_cost_less():
    uniform, frequencies = (quick(prior=prior, decay=0.0, smoothing=0.1) for prior in ("uniform", "frequencies"))
    params, stats_, x = counted(frequencies)
    a, b = (model.evaluate(params, stats_, {"x": x}, SEED) for model in (uniform, frequencies))
    np.testing.assert_allclose(a["KL"], 3 * math.log(6), rtol=1e-15)
    np.testing.assert_array_equal(a["reconstruction"], b["reconstruction"])
    p = np.exp(frequencies.log_prior(stats_))
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-14)
    k = frequencies.encode(params, stats_, x)
    np.testing.assert_allclose(b["KL"], -np.log([np.prod([p[i, row[i]] for i in range(3)]) for row in k]), rtol=1e-13)
    np.testing.assert_allclose(p, [(np.bincount(k[:, i], minlength=6) + 0.5) / 33 for i in range(3)], rtol=1e-12)
    assert b["ELBO"].mean() > a["ELBO"].mean() + 0.1 and (p > 0).all()


@pytest.mark.parametrize("prior", ["uniform", "frequencies"])
def test_samples_are_of_codes_of_the_prior(prior, monkeypatch):
    """Chi-square at each position: of three together a false alarm in 3 10^-9. Another prior is seen."""
    model = quick(prior=prior, decay=0.0, smoothing=1.0)
    params, stats_, _ = counted(model)
    p, seen, right    = np.exp(model.log_prior(stats_)), [], VQVAE._decode
    monkeypatch.setattr(VQVAE, "_decode", lambda self, *args: seen.append(args[-1]) or right(self, *args))
    model.sample(params, stats_, SEED, 20000)
    k     = vq.assign(seen[0], model.book(params, stats_))
    chi2  = lambda i, p: np.sum((np.bincount(k[:, i], minlength=6) - 20000 * p)**2 / (20000 * p))
    assert all(chi2(i, p[i]) <= stats.chi2.isf(1e-9, 5) for i in range(3))
    other = np.linspace(1, 2, 6) / np.linspace(1, 2, 6).sum()
    assert all(chi2(i, other) > stats.chi2.isf(1e-9, 5) for i in range(3))


def test_the_noise_of_samples_is_drawn_apart_from_their_codes(monkeypatch):
    model, seen = quick(), {}
    _, params, stats_, _ = begin(model)
    for name, at in (("drawn", 1), ("_drawn", 3)):
        right = getattr(VQVAE, name)
        monkeypatch.setattr(VQVAE, name, lambda *args, name=name, at=at, right=right: (
            seen.update({name: args[at].uniform(9)}), right(*args))[1])
    model.sample(params, stats_, SEED, 2)
    assert not np.isin(seen["drawn"], seen["_drawn"]).any()


@pytest.mark.parametrize("decoder, levels", [("bernoulli", 2), ("logistic", 2), ("logistic", 5)])
def test_the_sum_over_all_codes_is_log_p_and_never_below_the_bound(decoder, levels):
    model = quick(decoder=decoder, levels=levels, decay=0.5)
    params, stats_, x = counted(model)
    total = model.log_prob(params, stats_, x)
    codes = np.array(list(itertools.product(range(6), repeat=3)))
    p_k   = np.exp(model.log_prior(stats_))[range(3), codes].prod(1)
    law   = model.decode(params, stats_, codes)
    one   = lambda i: (a if np.ndim(a) < 2 else a[[i] * len(x)] for a in law)
    p     = sum(w * np.exp(LIKELIHOODS[decoder].log_prob(x.astype(float), *one(i))) for i, w in enumerate(p_k))
    np.testing.assert_allclose(total, np.log(p), rtol=1e-12)
    bound = model.evaluate(params, stats_, {"x": x}, SEED)["ELBO"]
    assert math.isclose(p_k.sum(), 1, rel_tol=1e-12) and (bound < total).all()


def test_of_all_512_images_no_bound_passes_log_p_and_together_they_have_probability_one():
    model = quick(levels=2, shape=(3, 3), decoder="bernoulli", codes=4, positions=2)
    bars  = load("patterns", SEED).train["x"]
    *_, (state, _) = fit(model, model.start(SEED, {"x": bars}), itertools.repeat({"x": bars}), SEED, 200)
    params, stats_ = trees.map(lambda a: a.astype("float64"), (model.weights(state), state.stats))
    every = np.array(list(itertools.product((0, 1), repeat=9)), "uint8")
    log_p, bound = model.log_prob(params, stats_, every), model.evaluate(params, stats_, {"x": every}, SEED)["ELBO"]
    assert abs(np.exp(log_p).sum() - 1) <= 1e-12 and (bound < log_p).all()
    assert model.log_prob(params, stats_, bars).mean() > -9 * math.log(2)


@pytest.mark.parametrize("decoder", LIKELIHOODS)
def test_pictures_are_means_of_what_the_decoder_says_of_codes(decoder):
    model = quick(decoder=decoder, codes=3)
    _, params, stats_, x = begin(model)
    mean  = lambda k: model.says.mean(*model.decode(params, stats_, k))
    shown = model.pictures(params, stats_, {"x": x}, SEED)
    every = mean(np.array(list(itertools.product(range(3), repeat=3))))
    seen  = model.seen(x, SEED("x"), "float64")
    k     = vq.assign(model._encode(params, stats_, seen), model.book(params, stats_))
    np.testing.assert_allclose(shown["reconstructions"][:, 1], mean(k), rtol=1e-12)
    assert abs(shown["means"][:, None] - every).max(-1).min(1).max() < 1e-12
    assert 0 <= shown["reconstructions"][:, 0].min() < 0.1 and 0.9 < shown["reconstructions"][:, 0].max() <= 1


# ---- the door --------------------------------------------------------------------------------------------------------
def test_what_makes_no_sense_is_refused():
    model = quick()
    _, params, stats_, x = begin(model)
    for k, says in ((x[:, :3] + 4,   "k holds 4 to 8; expected whole numbers from 0 to 5"),
                    (x[:, :3] + 0.5, "k holds 0.5 to 4.5; expected whole numbers"),
                    (x[:, :4],       r"k has shape \(30, 4\); expected \[n, 3\]")):
        with pytest.raises(ValueError, match=says):
            model.decode(params, stats_, k)
    with pytest.raises(ValueError, match="x holds 0 to 8; expected whole numbers from 0 to 4"):
        model.encode(params, stats_, 2 * x)
    with pytest.raises(ValueError, match=r"log_prob was asked of 300\^3 codes and decoder='logistic'; expected 65536"):
        quick(codes=300).log_prob(*begin(quick(codes=300))[1:3], x)
    with pytest.raises(ValueError, match="decoder='gaussian'"):
        quick(decoder="gaussian").log_prob(*begin(quick(decoder="gaussian"))[1:])
    with pytest.raises(ValueError, match=r"shape=\(3, 3\) has 9 numbers, but examples have 16; expected as many"):
        begin(quick(shape=(3, 3)))
    for hidden, shape in (((4,) * 3, (4, 4)), ((), (4, 4)), ((4,), (1, 16))):
        with pytest.raises(ValueError, match="net='conv' was given examples of shape .*; expected sides that can be"):
            begin(quick(net="conv", hidden=hidden, shape=shape))


def test_rows_of_numbers_are_images_of_the_shape_that_is_asked_for():
    part = {"x": begin(quick())[-1]}
    for asked, of, seen in (((4, 4), (16,), (4, 4)), ((), (2, 8), (2, 8)), ((8, 2), (4, 4), (8, 2))):
        assert quick(shape=asked).view(Data(part, part, part, shape=of, levels=5), SEED).shape == seen


@pytest.mark.parametrize("shape, positions", [((16,), 8), ((4, 4), 4), ((2, 4, 2), 2)])
def test_a_convolutional_code_has_a_position_for_each_point_that_is_left(shape, positions):
    """Along one axis, of images, in colours."""
    model = quick(net="conv", hidden=(4,), shape=shape)
    _, params, stats_, x = begin(model)
    assert model.encode(params, stats_, x).shape == (30, positions)
    assert model.decode(params, stats_, np.zeros((30, positions), int))[0].shape == (30, 16)


def test_a_code_of_a_convolutional_net_is_of_what_lies_around_its_point():
    """With kernels of 4 and no blocks, a change of the first row leaves the codes of the lower half alone."""
    model = quick(net="conv", hidden=(4,), shape=(8, 2), blocks=0, codes=30)
    _, params, stats_, x = begin(model)
    other = x.copy()
    other[:, :2] = 4 - x[:, :2]
    k, moved = (model.encode(params, stats_, a).reshape(30, 4, 1) for a in (x, other))
    assert np.array_equal(k[:, 2:], moved[:, 2:]) and not np.array_equal(k[:, :2], moved[:, :2])
