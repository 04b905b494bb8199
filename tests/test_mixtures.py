"""Mixtures of Gaussians: the laws of EM on random worlds, and what it learns from iris and the digits."""
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import backends.numpy
from backends import no_sync, to_host, use, xp
from backends.random import Stream
from scratch import train
from scratch.autodiff import grad, logsumexp, softmax
from scratch.autoencoders import PPCA
from scratch.data import load
from scratch.mixtures import (COVARIANCES, BernoulliMixture, GaussianMixture, bernoulli, bic, em_step, log_joint,
                              maximise, parameters, responsibilities, sample, start)
from scratch.mixtures.em import nearest, spread_means
from scratch.train import State

EPS = np.finfo(float).eps
families = st.sampled_from(sorted(COVARIANCES))
seeds    = st.integers(0, 10**6)


@st.composite
def worlds(draw, dtype="float64", most=4):
    """Data [N, D] and a mixture's log_pi, mu, Sigma that has nothing to do with them."""
    s = Stream.seed(draw(seeds))
    K, D = draw(st.integers(1, 4)), draw(st.integers(1, most))
    N = draw(st.integers(D + 3, 60))
    A = s("A").normal((K, D, D), dtype=dtype)
    x = s("x").normal((N, D), dtype=dtype) * 3 * s("scale").uniform((D,), dtype=dtype)
    x = x + s("shift").normal((D,), dtype=dtype)
    pi = s("pi").uniform((K,), dtype=dtype)
    Sigma = A @ A.transpose(0, 2, 1) + np.eye(D, dtype=dtype) / 2
    return x, np.log(pi / pi.sum()), 2 * s("mu").normal((K, D), dtype=dtype), Sigma


def log_lik(x, params):
    return float(responsibilities(x, *params)[1].sum())


def close(a, b, tolerance=1e-12):
    for p, q in zip(a, b):
        p, q = to_host(p), to_host(q)
        assert p.shape == q.shape and p.dtype == q.dtype
        np.testing.assert_allclose(p, q, rtol=tolerance, atol=tolerance * max(1, abs(q[np.isfinite(q)]).max(initial=0)))


# ---- the E step ------------------------------------------------------------------------------------------------------
@given(worlds())
def test_the_density_is_the_sum_over_components_written_out(world):
    x, log_pi, mu, Sigma = world
    p = sum(np.exp(log_pi[k]) * np.exp(-np.einsum("ni,ij,nj->n", x - mu[k], np.linalg.inv(Sigma[k]), x - mu[k]) / 2)
            / np.sqrt(np.linalg.det(2 * np.pi * Sigma[k])) for k in range(len(mu)))
    seen = p > 1e-290
    np.testing.assert_allclose(responsibilities(*world)[1][seen], np.log(p[seen]), rtol=1e-10, atol=1e-10)


def test_the_density_integrates_to_one():
    """The trapezoid rule on a wide grid is exact to rounding for so smooth a function."""
    Sigma  = np.array([[[1., .3], [.3, .5]], [[.4, 0.], [0., .9]]])
    params = parameters(np.array([.3, .7]), np.array([[0., 1.], [2., -1.]]), Sigma)
    a = np.linspace(-12, 12, 481)
    x = np.stack(np.meshgrid(a, a), -1).reshape(-1, 2)
    assert abs(np.exp(responsibilities(x, **params)[1]).sum() * (a[1] - a[0])**2 - 1) < 1e-12


@given(worlds())
def test_responsibilities_are_probabilities(world):
    r, _ = responsibilities(*world)
    assert (r >= 0).all() and abs(r.sum(1) - 1).max() <= 4 * EPS
    (log_pi, _, _), _ = em_step(*world)
    assert abs(np.exp(log_pi).sum() - 1) <= 4 * EPS


def test_a_point_a_thousand_sigmas_away_still_has_an_owner():
    x = np.array([[1000.0, 0.0]])
    r, log_p = responsibilities(x, np.log([.5, .5]), np.array([[0., 0.], [1., 0.]]), np.stack([np.eye(2)] * 2))
    assert r[0].argmax() == 1 and abs(r.sum() - 1) < 4 * EPS
    assert math.isclose(log_p[0], math.log(.5) - 999.0**2 / 2 - math.log(2 * math.pi), rel_tol=1e-14)


@given(worlds())
def test_the_likelihood_is_the_bound_plus_the_divergence_of_any_responsibilities(world):
    x, log_pi, mu, Sigma = world
    q = np.exp(Stream.seed(3).normal((len(x), len(mu)), dtype="float64"))
    q /= q.sum(1, keepdims=True)
    joint, (_, log_p) = log_joint(*world), responsibilities(*world)
    bound = (q * (joint - np.log(q))).sum()
    kl    = (q * (np.log(q) - (joint - log_p[:, None]))).sum()
    assert math.isclose(bound + kl, log_p.sum(), rel_tol=1e-11)
    assert kl >= 0


# ---- both steps ------------------------------------------------------------------------------------------------------
@given(worlds(), families, st.sampled_from([0.0, 0.3]), st.sampled_from([8, 1 << 15]))
def test_the_step_in_blocks_is_the_e_step_and_the_m_step(world, family, floor, block):
    x, log_pi, mu, Sigma = world
    r, log_p = responsibilities(*world)
    slow = maximise(x, r, mu, family, floor)
    before, backends.numpy.block = backends.numpy.block, block
    try:
        fast, total = em_step(*world, family, floor)
    finally:
        backends.numpy.block = before
    assert math.isclose(total, log_p.sum(), rel_tol=1e-11, abs_tol=1e-10)
    close(fast[1:], slow[1:], 1e-9)
    close([np.exp(fast[0])], [np.exp(slow[0])], 1e-12)


def never_falls(world, family, floor, step=em_step, steps=6):
    """The law: LL' >= LL - 8 eps N (max |log p(x_n)| + D cond(Sigma)), once Sigma >= floor I. The second term is what
    one rounding of Sigma does to the log-likelihood where the floor holds back its least eigenvalues."""
    x, *params = world
    params, _ = step(x, *params, family, floor)
    for _ in range(steps):
        each = responsibilities(x, *params)[1]
        cond = np.linalg.cond(params[2]).max()
        params, _ = step(x, *params, family, floor)
        rounding = 8 * EPS * len(x) * (abs(each).max() + x.shape[1] * cond)
        assert log_lik(x, params) >= each.sum() - rounding, (family, floor)


@given(worlds(), families, st.sampled_from([1e-3, 0.05, 0.5, 3.0]))
def test_the_log_likelihood_never_falls(world, family, floor):
    never_falls(world, family, floor)


def _adds_the_floor(x, log_pi, mu, Sigma, family, floor):
    (log_pi, mu, Sigma), total = em_step(x, log_pi, mu, Sigma, family, 0.0)
    return (log_pi, mu, Sigma + floor * np.eye(x.shape[1])), total


def _unbiased(x, log_pi, mu, Sigma, family, floor):
    (log_pi, mu, Sigma), total = em_step(x, log_pi, mu, Sigma, family, floor)
    N_k = np.exp(log_pi) * len(x)
    return (log_pi, mu, Sigma * (N_k / (N_k - 1))[:, None, None]), total


@pytest.mark.parametrize("wrong", [_adds_the_floor, _unbiased])
def test_that_law_rejects_a_wrong_m_step(wrong):
    def search():
        for seed in range(200):
            s = Stream.seed(seed)
            x = s("x").normal((40, 2), dtype="float64") * np.array([1.0, 0.2])
            world = x, np.log([.4, .6]), s("mu").normal((2, 2), dtype="float64"), np.stack([np.eye(2)] * 2)
            never_falls(world, "full", 0.05, wrong, steps=30)
    with pytest.raises(AssertionError):
        search()


@given(worlds(), families, st.sampled_from([1e-3, 0.4]))
def test_no_allowed_covariance_beats_the_m_steps(world, family, floor):
    """The surrogate at the M step's Sigma, against small moves inside the family and above the floor."""
    x, log_pi, mu, Sigma = world
    r, _ = responsibilities(*world)
    N_k  = r.sum(0)
    log_pi, mu, best = maximise(x, r, mu, family, floor)
    d = x[:, None] - mu
    S = np.einsum("nk,nki,nkj->kij", r, d, d)

    def surrogate(Sigma):
        return -sum(N_k[k] * np.linalg.slogdet(Sigma[k])[1] + np.trace(np.linalg.solve(Sigma[k], S[k]))
                    for k in range(len(mu))) / 2

    for i in range(8):
        move = Stream.seed(i).normal(best.shape, dtype="float64") * 0.05
        move = COVARIANCES[family][0](best + move + move.transpose(0, 2, 1), r.mean(0), floor)
        assert surrogate(move) <= surrogate(best) + 1e-10 * (1 + abs(surrogate(best)))


@given(worlds())
def test_with_one_component_a_step_gives_the_sample_moments(world):
    x, _, mu, Sigma = world
    (log_pi, mean, cov), _ = em_step(x, np.zeros(1), mu[:1], Sigma[:1])
    close([log_pi, mean[0], cov[0]], [np.zeros(1), x.mean(0), np.cov(x.T, bias=True).reshape(cov[0].shape)])


@given(worlds(), seeds)
def test_a_step_commutes_with_affine_maps_where_the_floor_is_inactive(world, seed):
    x, log_pi, mu, Sigma = world
    D = x.shape[1]
    A = Stream.seed(seed)("A").normal((D, D), dtype="float64")
    A, b = A @ A.T + np.eye(D), Stream.seed(seed)("b").normal((D,), dtype="float64")
    (p, m, S), total = em_step(*world)
    (p2, m2, S2), total2 = em_step(x @ A.T + b, log_pi, mu @ A.T + b, A @ Sigma @ A.T)
    close([np.exp(p2), m2, S2], [np.exp(p), m @ A.T + b, A @ S @ A.T], 1e-8)
    assert math.isclose(total2, total - len(x) * np.linalg.slogdet(A)[1], rel_tol=1e-9, abs_tol=1e-8)


@given(worlds(), families)
def test_permuting_the_components_permutes_the_step(world, family):
    x, log_pi, mu, Sigma = world
    order = np.roll(np.arange(len(mu)), 1)
    a, total  = em_step(*world, family, 1e-2)
    b, total2 = em_step(x, log_pi[order], mu[order], Sigma[order], family, 1e-2)
    close([np.exp(b[0]), b[1], b[2]], [np.exp(a[0][order]), a[1][order], a[2][order]], 1e-9)
    assert math.isclose(total, total2, rel_tol=1e-12)


@given(worlds(), families)
def test_repeating_the_data_changes_nothing_but_the_total(world, family):
    a, total  = em_step(*world, family, 1e-2)
    b, total2 = em_step(np.concatenate([world[0]] * 2), *world[1:], family, 1e-2)
    close([np.exp(b[0]), *b[1:]], [np.exp(a[0]), *a[1:]], 1e-10)
    assert math.isclose(2 * total, total2, rel_tol=1e-12)


def test_identical_components_stay_identical():
    x = Stream.seed(0).normal((50, 2), dtype="float64")
    params = np.log([.5, .5]), np.zeros((2, 2)), np.stack([np.eye(2)] * 2)
    for _ in range(5):
        params, _ = em_step(x, *params)
    for a in params:
        assert (a[0] == a[1]).all()


@pytest.mark.parametrize("family", COVARIANCES)
def test_an_offset_of_a_million_loses_nothing(family):
    """Data on multiples of 2^-20, so that the shifted data are exact: the means agree to the spacing of numbers at
    10^6."""
    x = np.round(Stream.seed(1).normal((300, 3), dtype="float64") * 2**20) / 2**20
    x[:150] += 4
    far = x + 1e6
    mu  = x[[0, 200]]
    a = b = None
    a, b = (np.log([.5, .5]), mu, np.stack([np.eye(3)] * 2)), (np.log([.5, .5]), mu + 1e6, np.stack([np.eye(3)] * 2))
    for _ in range(20):
        a, total_a = em_step(x, *a, family, 1e-6)
        b, total_b = em_step(far, *b, family, 1e-6)
    assert abs(total_a - total_b) < 1e-9 * abs(total_a)
    close([b[1] - 1e6], [a[1]], 1e-9)
    close([b[2]], [a[2]], 1e-9)


def test_float32_keeps_its_type_and_a_positive_variance_far_from_zero():
    x = (Stream.seed(0).normal((500, 2)) + np.float32(4096)).astype("float32")
    params = start(x, 2, Stream.seed(1), floor=1e-3)
    for _ in range(10):
        params, total = em_step(x, *params, floor=1e-3)
    assert all(p.dtype == np.float32 for p in (*params, total))
    assert (np.linalg.eigvalsh(params[2]) >= 1e-3 * (1 - 1e-3)).all() and np.linalg.eigvalsh(params[2]).max() < 3


def test_a_component_without_weight_stays_without_weight_and_harms_nothing():
    x = Stream.seed(0).normal((40, 2), dtype="float64")
    mu = np.array([[0., 0.], [9., 9.]])
    params, total = em_step(x, np.array([0.0, -np.inf]), mu, np.stack([np.eye(2)] * 2), floor=1e-3)
    assert params[0][1] == -np.inf and (params[1][1] == 9).all()
    alone, alone_total = em_step(x, np.zeros(1), np.zeros((1, 2)), np.eye(2)[None], floor=1e-3)
    close([params[1][:1], params[2][:1]], alone[1:])
    assert math.isclose(total, alone_total, rel_tol=1e-13)


def test_at_a_fixed_point_the_gradient_is_zero():
    s = Stream.seed(4)
    x = np.concatenate([s("a").normal((80, 2), dtype="float64"), s("b").normal((60, 2), dtype="float64") * .5 + 4])
    params = start(x, 2, s("start"))
    for _ in range(500):
        params, _ = em_step(x, *params)

    def mean_log_lik(p):
        log_pi, mu, Sigma = p
        return xp.mean(logsumexp(log_joint(x, log_pi - logsumexp(log_pi), mu, Sigma), axis=1))

    for g in grad(mean_log_lik)(params):
        assert abs(g).max() < 1e-12


@given(worlds(most=3))
@settings(max_examples=10)
def test_the_gradient_of_the_likelihood_agrees_with_an_independent_autodiff(world):
    x, log_pi, mu, Sigma = world

    def total(p):
        return xp.sum(logsumexp(log_joint(x, p[0], p[1], p[2]), axis=1))

    ours = grad(total)([log_pi, mu, Sigma])
    with use("autograd"):
        theirs = grad(total)([log_pi, mu, Sigma])
    close(ours, theirs, 1e-10)


# ---- the start -------------------------------------------------------------------------------------------------------
def test_k_means_plus_plus_starts_at_distinct_points_of_the_data():
    x = Stream.seed(0).normal((30, 2), dtype="float64")
    for seed in range(20):
        mu = spread_means(x, 30, Stream.seed(seed))
        assert len(np.unique(mu, axis=0)) == 30 and all((m == x).all(1).any() for m in mu)


def test_the_next_mean_is_drawn_by_squared_distances_to_the_nearest_of_those_before():
    """The chances that a stream is handed which answers what it is told to; where no point is left, all are alike."""
    class Told:
        def __init__(self, *picks):
            self.picks, self.chances = iter(picks), []

        def __call__(self, name):
            return self

        def integers(self, low, high):
            return next(self.picks)

        def categorical(self, logits):
            self.chances.append(softmax(logits))
            return next(self.picks)
    x, stream = np.array([[0.0], [1.0], [3.0]]), Told(0, 2, 1, 1)
    assert spread_means(x, 4, stream)[:, 0].tolist() == [0, 3, 1, 1]
    assert np.allclose(stream.chances, [[0, 0.1, 0.9], [0, 1, 0], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-14)


def test_of_fewer_different_points_than_means_any_are_taken():
    """38 draws of two points: that all are one is a false alarm in 10^11."""
    mu = spread_means(np.repeat([[0.0, 1.0], [2.0, 5.0]], 30, axis=0), 40, Stream.seed(0))[:, 0].tolist()
    assert set(mu[:2]) == set(mu[2:]) == {0, 2}


def test_lloyds_steps_never_raise_the_inertia_and_the_start_is_where_they_end():
    x = Stream.seed(0).normal((200, 3), dtype="float64")
    inertia = []
    for steps in range(12):
        _, mu, _ = start(x, 5, Stream.seed(2), steps=steps)
        r = nearest(x, mu)
        assert (r.sum(1) == 1).all() and (r.argmax(1) == ((x[:, None] - mu)**2).sum(2).argmin(1)).all()
        inertia.append((r * ((x[:, None] - mu)**2).sum(2)).sum())
    assert (np.diff(inertia) <= 1e-9).all() and inertia[-1] < inertia[0]


def test_separated_clusters_are_found_from_most_starts():
    """Four clusters twenty sigmas apart: at least 95 of these 100 starts must find them; a uniform start finds about
    10."""
    centres = np.array([[0., 0.], [20., 0.], [0., 20.], [20., 20.]])
    x = (centres[:, None] + Stream.seed(0).normal((4, 50, 2), dtype="float64")).reshape(-1, 2)
    ends  = [start(x, 4, Stream.seed(s))[1].round(-1) for s in range(100)]
    found = sum(np.allclose(np.sort(mu, 0), np.sort(centres, 0)) for mu in ends)
    assert found >= 95


# ---- the model -------------------------------------------------------------------------------------------------------
def fit(model, x, seed=0, steps=300):
    state = model.start(Stream.seed(seed), {"x": x})
    for state, _ in train.fit(model, state, [{"x": x}] * steps, Stream.seed(1), steps):
        pass
    return state.params


@pytest.mark.parametrize("model", [BernoulliMixture(components=2), GaussianMixture(components=2, floor=0.1),
                                   PPCA(latent=1), PPCA(latent=1, learn="em")])
def test_the_metric_of_a_step_is_the_mean_log_likelihood_before_it(model):
    x      = np.eye(4, dtype="uint8")
    state  = model.start(Stream.seed(0), {"x": x})
    before = model.log_prob(state.params, {}, x).mean()
    assert math.isclose(model.update(state, {"x": x.astype("float64")}, None)[1]["log_lik"], before, rel_tol=1e-12)


def test_a_step_that_adds_less_than_tol_or_takes_away_is_the_last():
    done = lambda gain: BernoulliMixture(tol=1e-3).finished({"log_lik": -1.0}, {"log_lik": -1.0 + gain})
    assert done(5e-4) and done(-5e-4) and done(-1.0) and not done(0.01)


def test_of_several_starts_the_one_that_is_best_after_ten_steps_is_taken(monkeypatch):
    """Here the one of the lowest logit, which is its draw."""
    begun, steps = [], []
    monkeypatch.setattr(BernoulliMixture, "begin", lambda self, x, stream:
                        begun.append(stream.uniform(1, "float64")) or (np.zeros(1), np.full((1, 4), begun[-1])))
    monkeypatch.setattr(BernoulliMixture, "step", lambda self, x, log_pi, l:
                        steps.append(1) or ((log_pi, l), -l[0, 0]))
    found, _ = BernoulliMixture(components=1, starts=5).init(Stream.seed(0), {"x": np.eye(4, dtype="uint8")})
    assert len(np.unique(begun)) == 5 and len(steps) == 50 and found["l"][0, 0] == min(begun)


def test_samples_have_the_mixtures_moments():
    """Mean and covariance of 200000 samples, each within 6 standard errors: false alarms below 1e-8."""
    pi, mu = np.array([.2, .8]), np.array([[0., 3.], [1., -1.]])
    Sigma  = np.array([[[1., .5], [.5, 2.]], [[.3, 0.], [0., .1]]])
    x, k   = sample(Stream.seed(0), 200000, **parameters(pi, mu, Sigma))
    mean   = pi @ mu
    cov    = np.einsum("k,kij->ij", pi, Sigma + np.einsum("ki,kj->kij", mu - mean, mu - mean))
    assert abs((k == 0).mean() - .2) < 6 * (.16 / len(x))**.5
    assert (abs(x.mean(0) - mean) < 6 * np.sqrt(np.diag(cov) / len(x))).all()
    d = x - mean
    products = np.einsum("ni,nj->nij", d, d)
    assert (abs(products.mean(0) - cov) < 6 * products.std(0) / len(x)**.5).all()


def test_the_criterion_counts_the_free_numbers():
    sklearn = pytest.importorskip("sklearn.mixture")
    x = Stream.seed(0).normal((200, 3), dtype="float64")
    for ours, theirs in dict(full="full", tied="tied", diagonal="diag", spherical="spherical").items():
        peer = sklearn.GaussianMixture(2, covariance_type=theirs, random_state=0).fit(x)
        assert math.isclose(bic(peer.score(x) * 200, 200, 2, 3, ours), peer.bic(x), rel_tol=1e-12)


def best_of_sklearn(x, K, floor):
    """The highest training log-likelihood, a row, of ten starts of scikit-learn's."""
    mixture = pytest.importorskip("sklearn.mixture")
    peer = mixture.GaussianMixture(K, n_init=10, reg_covar=floor, random_state=0, max_iter=500, tol=1e-7)
    return peer.fit(x).score(x)


def test_on_iris_it_reaches_the_best_of_ten_starts_of_scikit_learn():
    x = pytest.importorskip("sklearn.datasets").load_iris().data
    params = fit(GaussianMixture(components=3, floor=1e-6, tol=1e-10), x)
    assert log_lik(x, params.values()) / len(x) >= best_of_sklearn(x, 3, 1e-6)


def test_on_the_digits_it_reaches_the_best_of_ten_starts_of_scikit_learn():
    """In grey levels, k + u with u in [0, 1)."""
    stream = Stream.seed(0)("digits")
    x = load("digits", stream).dequantised(stream).train["x"].astype(float) * 17
    params = fit(GaussianMixture(components=10, floor=1e-2, tol=1e-7), x)
    assert log_lik(x, params.values()) / len(x) >= best_of_sklearn(x, 10, 1e-2)


def test_it_runs_on_the_strict_backend_without_waiting_for_the_device():
    x = Stream.seed(0).normal((60, 2), dtype="float64")
    model = GaussianMixture(components=2, starts=1)
    state = model.start(Stream.seed(1), {"x": x})
    host, metrics = model.update(state, {"x": x}, None)
    with use("strict"):
        device = State(0, {k: xp.asarray(v) for k, v in state.params.items()})
        batch  = {"x": xp.asarray(x)}
        with no_sync():
            new, strict_metrics = model.update(device, batch, None)
            _, log_p = responsibilities(batch["x"], **new.params)
            drawn = model.sample(new.params, new.stats, Stream.seed(2), 5)
        close([to_host(v) for v in new.params.values()], host.params.values(), 1e-14)
        assert math.isclose(float(strict_metrics["log_lik"]), metrics["log_lik"], rel_tol=1e-14)
        assert to_host(log_p).shape == (60,) and to_host(drawn).shape == (5, 2)
        assert model.init(Stream.seed(1), batch)[0]["mu"].shape == (2, 2)


def test_memory_does_not_grow_with_the_number_of_points_times_components():
    def peak(N):
        x = np.zeros((N, 8)) + np.arange(8)
        params = np.full(16, -math.log(16)), np.arange(128.0).reshape(16, 8), np.stack([np.eye(8)] * 16)
        tracemalloc.start()
        em_step(x, *params, floor=1.0)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most
    peak(1000)
    assert peak(60000) < 1.1 * peak(6000) < 16e6


# ---- of bits ---------------------------------------------------------------------------------------------------------
@st.composite
def bit_worlds(draw):
    """Bits [N, D], and log_pi and logits of a mixture that has nothing to do with them."""
    rng = np.random.default_rng(draw(seeds))
    K, D, N = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(1, 30))
    return rng.integers(0, 2, (N, D)) * 1.0, np.log(rng.dirichlet(np.ones(K))), 3 * rng.normal(size=(K, D))


@given(bit_worlds())
def test_the_law_of_bits_is_the_sum_over_components_written_out_and_a_law(world):
    x, log_pi, l = world
    mu = 1 / (1 + np.exp(-l))
    p  = lambda x: sum(np.exp(a) * np.prod(np.where(x, m, 1 - m), axis=1) for a, m in zip(log_pi, mu))
    r, log_p = bernoulli.responsibilities(*world)
    np.testing.assert_allclose(log_p, np.log(p(x)), rtol=1e-12, atol=1e-12)
    assert (r >= 0).all() and abs(r.sum(1) - 1).max() <= 4 * EPS
    every = np.indices([2] * x.shape[1]).reshape(x.shape[1], -1).T
    assert abs(np.exp(bernoulli.responsibilities(every, log_pi, l)[1]).sum() - 1) <= 1e-12


def bits_never_fall(world, bound, step=bernoulli.em_step):
    x, *params = world
    params, _ = step(x, *params, bound)                                         # now the logits are within the bound
    for _ in range(8):
        params, before = step(x, *params, bound)
        assert bernoulli.responsibilities(x, *params)[1].sum() >= before - 1e-12 * (1 + abs(before))


@given(bit_worlds(), st.sampled_from([0.5, 3.0, 20.0]))
def test_the_log_likelihood_of_bits_never_falls(world, bound):
    bits_never_fall(world, bound)


def test_that_law_rejects_steps_that_go_too_far():
    def thrice(x, log_pi, l, bound):
        (log_pi, new), total = bernoulli.em_step(x, log_pi, l, bound)
        return (log_pi, np.clip(l + 3 * (new - l), -bound, bound)), total
    rng = np.random.default_rng(0)
    x   = rng.integers(0, 2, (40, 4)) * 1.0
    with pytest.raises(AssertionError):
        for _ in range(50):
            bits_never_fall((x, np.log([0.5, 0.5]), rng.normal(size=(2, 4))), 20.0, thrice)


def test_a_component_of_bits_without_points_stays_where_it_is():
    r = np.array([[1.0, 0.0], [1.0, 0.0]])
    log_pi, l = bernoulli.maximise(np.array([[1.0, 0, 1], [0.0, 0, 1]]), r, np.full((2, 3), 7.0), 5.0)
    assert log_pi.tolist() == [0, -math.inf] and np.allclose(l, [[0, -5, 5], [7, 7, 7]])
    model = BernoulliMixture(components=3, bound=2.0, starts=1)
    assert np.max(abs(model.init(Stream.seed(0), {"x": np.eye(4)})[0]["l"])) == 2


@pytest.mark.parametrize("seed", range(5))
def test_sixteen_components_learn_the_fourteen_patterns(seed):
    """To 1e-6 nats from the law that is uniform on them, of which six components are not capable."""
    x  = load("patterns", Stream.seed(seed)).train["x"]
    kl = lambda model: -math.log(14) - model.log_prob(fit(model, x.astype("float64"), seed), {}, x).mean()
    assert 0 < kl(BernoulliMixture(components=16)) <= 1e-6 and kl(BernoulliMixture(components=6)) > 0.3


def test_samples_of_bits_are_as_frequent_as_they_are_probable():
    """Chi-square of 40000 samples of three bits, a false alarm in 10^9; another law is seen."""
    scipy_stats = pytest.importorskip("scipy.stats")
    rng    = np.random.default_rng(1)
    params = {"log_pi": np.log([0.2, 0.8]), "l": rng.normal(size=(2, 3))}
    x      = BernoulliMixture(components=2).sample(params, {}, Stream.seed(0), 40000)
    every  = np.indices((2, 2, 2)).reshape(3, -1).T
    p      = np.exp(BernoulliMixture().log_prob(params, {}, every))
    count  = np.bincount(x @ [4, 2, 1], minlength=8)
    chi2   = lambda p: np.sum((count - 40000 * p)**2 / (40000 * p))
    assert x.dtype == "int64" and chi2(p) <= scipy_stats.chi2.isf(1e-9, 7) < chi2(np.roll(p, 1))


# ---- bad input -------------------------------------------------------------------------------------------------------
X = np.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize("hyper, message", [
    (dict(components=0),        "components=0; expected an integer of at least 1"),
    (dict(components=1.5),      "components=1.5; expected an integer"),
    (dict(components=True),     "components=True; expected an integer"),
    (dict(floor=-1),            "floor=-1; expected a finite number of at least 0"),
    (dict(floor=math.nan),      "floor=nan; expected a finite number"),
    (dict(tol=-1e-3),           "tol=-0.001; expected a finite number"),
    (dict(starts=0),            "starts=0; expected an integer of at least 1"),
    (dict(covariance="fulll"),  "covariance='fulll'; expected one of full, tied, diagonal, spherical"),
])
def test_hyper_parameters_that_make_no_sense_are_named(hyper, message):
    with pytest.raises(ValueError, match="^" + message.replace(".", "[.]")):
        GaussianMixture(**hyper)


def test_numbers_whose_squares_overflow_are_refused():
    says = "X holds numbers of up to 1e.200, whose squares are beyond float64: scale"
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=says):
        GaussianMixture(components=1).init(Stream.seed(0), {"x": np.array([[1e200, 0], [0, 1]])})


def test_more_components_than_points_are_refused():
    with pytest.raises(ValueError, match="components=10 but X has 6 rows"):
        GaussianMixture().init(Stream.seed(0), {"x": X})


@pytest.mark.parametrize("x, error, message", [
    (np.where(X == 7, np.nan, X), ValueError, "NaN at row 3, column 1"),
    (X[:0],                       ValueError, "0 rows"),
    (X[:, 0],                     ValueError, "shape"),
    (X + 1j,                      TypeError,  "complex"),
])
def test_data_that_make_no_sense_are_refused(x, error, message):
    with pytest.raises(error, match=message):
        GaussianMixture(components=2).init(Stream.seed(0), {"x": x})


def test_a_constant_feature_needs_a_floor_and_is_said_to():
    x = np.concatenate([Stream.seed(0).normal((50, 1), dtype="float64"), np.ones((50, 1))], axis=1)
    model = GaussianMixture(components=2, floor=0.0, starts=1)
    with pytest.raises(ValueError, match="The covariance of component [01] is singular; got floor=0.0"):
        for _ in train.fit(model, model.start(Stream.seed(0), {"x": x}), [{"x": x}] * 5, Stream.seed(1), 5):
            pass
    params = fit(GaussianMixture(components=2, floor=1e-3), x)
    assert np.isfinite(log_lik(x, params.values())) and np.allclose(params["Sigma"][:, 1, 1], 1e-3)


@pytest.mark.parametrize("change, message", [
    (dict(pi=np.array([.5, .4])),                 "sum 0.9"),
    (dict(pi=np.array([1.5, -.5])),               "least element -0.5"),
    (dict(pi=np.array([np.nan, .5])),             "pi contains NaN"),
    (dict(pi=np.array([1.])),                     r"pi has shape \(1,\); expected \(2,\)"),
    (dict(mu=np.zeros(2)),                        "mu has shape"),
    (dict(Sigma=np.zeros((2, 3, 3))),             "Sigma has shape"),
    (dict(Sigma=np.array([[[1., 2.], [0., 1.]], np.eye(2)])), r"Sigma\[0\] is not symmetric"),
    (dict(Sigma=np.array([np.eye(2), [[1., 2.], [2., 1.]]])), r"Sigma\[1\] is not positive definite"),
])
def test_parameters_that_make_no_sense_are_named(change, message):
    good = dict(pi=np.array([.5, .5]), mu=np.zeros((2, 2)), Sigma=np.stack([np.eye(2)] * 2))
    assert parameters(**good)["log_pi"].shape == (2,)
    with pytest.raises(ValueError, match=message):
        parameters(**{**good, **change})
