"""The numbers of the pictures are what closed forms and other ways to compute them say."""
import functools
import itertools
import math

import numpy
import pytest
from scipy.integrate import quad
from scipy.optimize import linprog
from scipy.stats import entropy, multivariate_normal, norm, wasserstein_distance

from derivations.book.pictures import divergences, elbo, estimators, foundations, mixtures, vae
from derivations.engine.worlds import Sample
from derivations.estimators import naive_log, prior_draws
from derivations.foundations import all_draws, squared_error
from scratch.data.images import digits

near = functools.partial(numpy.testing.assert_allclose, rtol=1e-12, atol=1e-12)


def numbers(topic, name):
    return next(p.numbers() for p in topic.PICTURES if p.name == name)


# ---- foundations -----------------------------------------------------------------------------------------------------
def test_the_margins_are_the_sums_of_the_table_and_the_posterior_is_its_row_over_the_sum():
    n = numbers(foundations, "table")
    near(n["p_xz"].sum(), 1)
    near(n["p_x"], [math.fsum(row) for row in n["p_xz"]])
    near(n["p_z"], [math.fsum(column) for column in n["p_xz"].T])
    near(n["posterior"] * n["evidence"], n["p_xz"][foundations.SEEN])
    near(n["posterior"].sum(), 1)
    near(n["posterior"], [1/8, 1/4, 1/2, 1/8])


# ---- divergences -----------------------------------------------------------------------------------------------------
def test_as_two_laws_move_apart_kl_is_infinite_js_stops_at_log_2_and_w1_is_the_shift():
    n = numbers(divergences, "apart")
    assert n["kl"][0] == 0 and (n["kl"][1:] == math.inf).all()
    near(n["w1"], n["shifts"])
    near(n["js"][5:], math.log(2))
    assert n["js"][0] == 0 and (numpy.diff(n["js"][:6]) > 0.01).all()
    assert n["full"] == 5
    for d, js in zip(n["shifts"], n["js"]):
        p, q = numpy.zeros((2, 13))
        p[:5] = q[d:d + 5] = n["hump"]
        near(js, entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2)


def test_the_law_that_covers_has_the_moments_of_p():
    n = numbers(divergences, "directions")
    near(n["q_cover"] @ n["x"], n["p"] @ n["x"], rtol=1e-6, atol=1e-6)
    near(n["q_cover"] @ n["x"]**2, n["p"] @ n["x"]**2, rtol=1e-6, atol=1e-6)


def test_no_normal_law_is_nearer_in_either_direction():
    n = numbers(divergences, "directions")
    near(n["kl_cover"], entropy(n["p"], n["q_cover"]))
    near(n["kl_seek"], entropy(n["q_seek"], n["p"]))
    for mu, s in itertools.product(numpy.linspace(-4, 4, 41), numpy.geomspace(0.3, 4, 27)):
        q = divergences.bump(n["x"], mu, s)
        assert entropy(n["p"], q) >= n["kl_cover"] - 1e-12
        assert entropy(q, n["p"]) >= n["kl_seek"] - 1e-12


def test_the_law_that_picks_lies_on_the_heavier_bump_and_costs_less_than_that_bump():
    n = numbers(divergences, "directions")
    assert abs(n["seek"][0] + 2.5) < 0.05
    assert n["kl_seek"] < entropy(divergences.bump(n["x"], -2.5, 0.7), n["p"]) < -math.log(0.6)


def test_the_plan_carries_p_to_q_and_no_plan_is_cheaper():
    n = numbers(divergences, "transport")
    near(n["plan"].sum(1), n["p"])
    near(n["plan"].sum(0), n["q"])
    near(n["cost"], wasserstein_distance(n["x"], n["x"], n["p"], n["q"]))
    X    = len(n["p"])
    sums = numpy.concatenate([numpy.kron(numpy.eye(X), numpy.ones(X)), numpy.kron(numpy.ones(X), numpy.eye(X))])
    best = linprog(abs(n["x"][:, None] - n["x"]).ravel(), A_eq=sums, b_eq=numpy.concatenate([n["p"], n["q"]]))
    near(n["cost"], best.fun, rtol=1e-8)


def test_the_function_above_the_plan_has_slope_one_and_reaches_the_cost():
    n = numbers(divergences, "transport")
    assert (abs(numpy.diff(n["f"])) <= numpy.diff(n["x"])).all()
    near(n["p"] @ n["f"] - n["q"] @ n["f"], n["cost"])
    near(n["dual"], n["cost"])
    for i, j in zip(*n["plan"].nonzero()):
        near(n["f"][i] - n["f"][j], abs(n["x"][i] - n["x"][j]))


# ---- the bound -------------------------------------------------------------------------------------------------------
def test_the_bars_sum_to_log_p_for_every_q():
    n = numbers(elbo, "bar")
    near(n["elbo"] + n["kl"], math.log(elbo.P_Z @ elbo.P_X_Z[:, 0]))
    near(n["log_p"], math.log(elbo.P_Z @ elbo.P_X_Z[:, 0]))
    near(n["kl"], [entropy(q, n["posterior"]) for q in n["q"]])


def test_q_ends_at_the_posterior_where_nothing_is_lost():
    n = numbers(elbo, "bar")
    joint = elbo.P_Z * elbo.P_X_Z[:, 0]
    near(n["q"].sum(1), 1)
    near(n["q"][-1], joint / joint.sum())
    assert (numpy.diff(n["elbo"]) > 0.01).all() and abs(n["kl"][-1]) < 1e-12


def test_between_the_logarithm_and_its_chord_lies_a_kl():
    n = numbers(elbo, "chord")
    near(n["mean"], n["q"] @ n["w"])
    near(n["top"], math.log(n["mean"]))
    near(n["low"], n["q"] @ numpy.log(n["w"]))
    near(n["top"] - n["low"], n["kl"])
    near(n["kl"], entropy(n["q"], n["q"] * n["w"]))


def test_the_difference_of_the_two_terms_is_the_bound_and_highest_at_the_posterior():
    n = numbers(elbo, "balance")
    near(n["fit"] - n["price"], n["elbo"])
    near(n["elbo"], [q @ (numpy.log(elbo.P_Z * elbo.P_X_Z[:, 0]) - numpy.log(q)) for q in n["q"]])
    top = n["elbo"].argmax()
    near((n["t"][top], n["elbo"][top], n["fit_at_1"] - n["price_at_1"]), (1, n["log_p"], n["log_p"]))
    assert (numpy.diff(n["fit"]) > 0).all() and (numpy.diff(n["price"]) > 0).all()


# ---- mixtures --------------------------------------------------------------------------------------------------------
def test_the_colours_are_the_posterior_and_the_log_likelihood_that_of_the_mixture_at_each_step():
    n = numbers(mixtures, "colours")
    for step, r, pi, mu, Sigma in zip(mixtures.SHOWN, n["r"], n["pi"], n["mu"], n["Sigma"]):
        joint = numpy.stack([w * multivariate_normal.pdf(n["x"], *law) for w, *law in zip(pi, mu, Sigma)], axis=1)
        near(r, joint / joint.sum(1, keepdims=True), rtol=1e-9)
        near(n["rise"][step], numpy.log(joint.sum(1)).sum())
    near((n["start"], n["end"]), n["rise"][[0, -1]])


def test_every_step_of_em_raises_the_log_likelihood_and_in_the_end_few_points_are_open():
    n = numbers(mixtures, "colours")
    assert (numpy.diff(n["rise"]) > 0).all()
    for r, unsure in ((n["r"][0], n["unsure"]), (n["r"][-1], n["unsure_end"])):
        assert unsure == sum(0.1 < a < 0.9 for a in r[:, 0])
    assert n["unsure"] > 3 * n["unsure_end"] > 0


def test_a_bound_touches_log_p_where_its_step_starts_and_lies_below_elsewhere():
    n = numbers(mixtures, "staircase")
    near(n["low"][::2], n["high"][::2])
    assert (n["bounds"] <= n["total"] + 1e-12).all()
    near(n["high"], [loglik(m) for m in numpy.repeat(n["way"], 2)[1:-1]])


def test_every_step_goes_to_the_top_of_its_bound_and_the_staircase_never_falls():
    n = numbers(mixtures, "staircase")
    for step, (F, low) in enumerate(zip(n["bounds"], n["low"][1::2])):
        assert F.max() <= low + 1e-12 and abs(n["m"][F.argmax()] - n["way"][step + 1]) <= n["m"][1] - n["m"][0]
    assert (n["high"][1::2] - n["low"][1::2] > 0).all()
    assert (numpy.diff(n["low"]) > 0).all()
    near(n["low"][1] + n["opened"], n["high"][2])


def loglik(m):
    x = numpy.array([-2.5, -2, -1.6, -1.1, 1.4, 1.8, 2.3, 2.7])
    return numpy.log((norm.pdf(x, -1.8) + norm.pdf(x, m)) / 2).sum()


def test_without_a_least_width_the_component_shrinks_to_nothing_and_with_it_it_stays_there():
    n = numbers(mixtures, "collapse")
    assert (numpy.diff(n["free_width"]) < 0).all()
    assert n["free_next"][2][0, 0, 0] <= 1e-12 and n["free_next"][1][0, 0] == pytest.approx(2.6, abs=1e-9)
    near(n["held_width"].min(), math.sqrt(mixtures.FLOOR))
    near(n["held_width"][-1], math.sqrt(mixtures.FLOOR))
    assert (numpy.diff(n["held_total"]) > 0).all()


def test_a_narrower_component_on_a_point_makes_the_likelihood_as_large_as_one_likes():
    x      = numbers(mixtures, "collapse")["x"]
    totals = [numpy.log(norm.pdf(x, 2.6, s) / 9 + 8 / 9 * norm.pdf(x, 0, 1.2)).sum() for s in (1e-5, 1e-6, 1e-7)]
    near(numpy.diff(totals), math.log(10), rtol=1e-4)


def test_the_densities_shown_are_laws():
    n = numbers(mixtures, "collapse")
    for y in (*n["free_curves"], *n["held_curves"]):
        assert numpy.trapezoid(y, n["grid"]) == pytest.approx(1, abs=0.03)


# ---- estimators ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("k", (1, 2, 3))
def test_the_law_of_few_draws_is_what_the_line_finds_by_going_through_all_of_them(k):
    y, p = estimators.law(k)
    every = numpy.array(list(itertools.product(range(3), repeat=k)))
    value = numpy.log(estimators.P_X_Z[every].mean(1))
    share = estimators.P_Z[every].prod(1)
    for power in (1, 2):
        near(p @ y**power, share @ value**power)
    p_x_z = numpy.stack([estimators.P_X_Z, 1 - estimators.P_X_Z], axis=1)
    near(p @ y, naive_log.value(Sample(prior_draws, dict(X=2, Z=3, k=k, p_z=estimators.P_Z, p_x_z=p_x_z)))[0][0])


def test_the_mean_is_right_for_every_k_and_its_logarithm_too_low_by_less_and_less():
    n = numbers(estimators, "too-low")
    for k in estimators.KS:
        y, p = estimators.law(k)
        near((p.sum(), p @ numpy.exp(y)), (1, math.exp(n["log_p"])))
    assert n["one"] > n["ten"] > n["hundred"] > 0
    near(n["shares"].sum(1), 1)
    variance = estimators.P_Z @ (estimators.P_X_Z / math.exp(n["log_p"]) - 1)**2
    near(n["hundred"], variance / 200, rtol=0.1)              # the first term of its series in 1 / k


def test_the_variances_of_both_gradients_are_those_of_the_closed_forms():
    n = numbers(estimators, "gradients")
    s, c = n["sigma"], math.cos(2 * estimators.MU)
    square = (numpy.exp(-s**2 / 2) * math.cos(estimators.MU))**2
    near(n["through"], (1 + numpy.exp(-2 * s**2) * c) / 2 - square, rtol=1e-9)
    near(n["score"], (1 - numpy.exp(-2 * s**2) * (1 - 4 * s**2) * c) / (2 * s**2) - square, rtol=1e-9)


def test_the_variances_cross_once_and_there():
    n = numbers(estimators, "gradients")
    assert ((n["score"] < n["through"]) == (n["sigma"] > n["crossing"])).all()
    s, c = n["crossing"], math.cos(2 * estimators.MU)
    near(1 + math.exp(-2 * s**2) * c, (1 - math.exp(-2 * s**2) * (1 - 4 * s**2) * c) / s**2, rtol=1e-3)


def test_a_mean_of_n_draws_errs_by_half_the_band():
    n = numbers(estimators, "funnel")
    near(n["rms"], n["band"] / 2, rtol=1e-9)
    near(n["rms"] * numpy.sqrt(n["n"]), n["rms"][0] * 2, rtol=1e-9)
    coin = dict(Z=2, q=numpy.array([0.7, 0.3]), f=numpy.array([0., 1.]))
    for N in (1, 2, 3):
        near(squared_error.value(Sample(all_draws, dict(coin, N=N)))[0], 0.21 / N)


def test_the_band_holds_what_it_says_for_any_coin_and_draws():
    n = numbers(estimators, "funnel")
    assert (n["inside"] > 0.75).all()                                                  # Chebyshev
    assert 0.04 < n["outside"] < 0.05                                                  # and the normal law: 0.0455
    assert (abs(n["paths"][:, -1] - 0.3) < 2.5 * n["band"][-1]).all()        # a false alarm for one stream in 10^5


# ---- autoencoders ----------------------------------------------------------------------------------------------------
X = digits()["train"]["x"].astype(float)


def test_the_ellipses_are_those_of_the_joint_normal_law_given_the_image():
    n     = numbers(vae, "plane")
    W, s2 = n["W"], n["s2"]
    joint = numpy.block([[W @ W.T + s2 * numpy.eye(64), W], [W.T, numpy.eye(2)]])
    gain  = numpy.linalg.solve(joint[:64, :64], joint[:64, 64:])                       # [64, 2]
    near(n["m"], (X - n["b"]) @ gain, rtol=1e-9, atol=1e-9)
    near(n["Sigma"], joint[64:, 64:] - joint[64:, :64] @ gain, rtol=1e-9, atol=1e-9)
    near((n["wide"], n["high"]), numpy.sqrt(numpy.diagonal(n["Sigma"])))


def test_means_and_ellipses_together_have_the_moments_of_the_prior():
    n = numbers(vae, "plane")
    near(n["m"].mean(0), 0, atol=1e-9)
    near(n["m"].T @ n["m"] / n["count"] + n["Sigma"], numpy.eye(2), atol=1e-9)


def test_the_plane_is_that_of_the_two_leading_axes():
    n   = numbers(vae, "plane")
    lam = numpy.linalg.svd(X - X.mean(0), compute_uv=False)**2 / len(X)
    near(n["s2"], lam[2:].mean(), rtol=1e-9)
    near((n["W"]**2).sum(0), lam[:2] - n["s2"], rtol=1e-9)
    near(numpy.diagonal(n["Sigma"]), n["s2"] / lam[:2], rtol=1e-9)


def test_the_images_shown_are_ten_different_digits_at_their_codes():
    n = numbers(vae, "plane")
    assert list(n["y"][n["shown"]]) == list(range(10))
    near(16 * n["images"].reshape(10, 64), X[n["shown"]])


def test_a_mass_of_86_percent_lies_within_two_standard_deviations():
    near(numbers(vae, "plane")["inside"], quad(lambda r: r * math.exp(-r * r / 2), 0, 2)[0])
    S = numpy.array([[2., 1], [1, 3]])
    points = mixtures.ring(S)
    near(numpy.einsum("in,ij,jn->n", points, numpy.linalg.inv(S), points), 4)


def test_a_guess_costs_its_kl_to_the_posterior():
    n, p = numbers(vae, "guess"), numbers(vae, "plane")
    v    = numpy.diagonal(p["Sigma"])
    off  = (p["m"]**2).mean(0)
    cost = [((u := v**(t - 1)) - 1 - numpy.log(u) + (1 - t)**2 * off / v).sum() / 2 for t in n["t"]]
    near(n["log_p"] - n["elbo"], cost, rtol=1e-9, atol=1e-9)
    near((n["blind"], n["half"]), (cost[0], cost[2]), rtol=1e-9)
    C = p["W"] @ p["W"].T + p["s2"] * numpy.eye(64)
    near(n["log_p"], multivariate_normal.logpdf(X, p["b"], C).mean(), rtol=1e-9)


def test_a_code_is_used_exactly_where_the_data_vary_by_more_than_the_noise():
    n   = numbers(vae, "unused")
    lam = (numpy.linalg.svd(X - X.mean(0), compute_uv=False)**2 / len(X))[:30]
    near(n["lam"], lam, rtol=1e-9)
    near(n["rates"], numpy.log(numpy.maximum(lam / vae.NOISE, 1)) / 2, rtol=1e-9, atol=1e-9)
    near(n["rates"], n["closed"], rtol=1e-9, atol=1e-9)
    assert abs(n["rates"][n["used"]:]).max() < 1e-9 < 0.01 < n["rates"][:n["used"]].min()
    assert n["used"] + n["left"] == 30 and n["used"] == (lam > vae.NOISE).sum()
