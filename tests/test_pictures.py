"""The numbers of the pictures are what closed forms and other ways to compute them say."""
import functools
import importlib
import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import linear_sum_assignment, linprog
from scipy.spatial.distance import cdist
from scipy.special import erf, expit
from scipy.stats import binom, chi, entropy as entropy_of, multivariate_normal, norm, wasserstein_distance

from backends.random import Stream
from derivations import gan, hierarchical
from derivations.book.pictures import divergences, elbo, estimators, foundations, mixtures, of, vae
from derivations.engine.worlds import Sample
from derivations.estimators import naive_log, prior_draws
from derivations.foundations import all_draws, squared_error
from scratch.data.images import digits
from scratch.diffusion import scores
from scratch.diffusion.schedules import cosine, schedule
from scratch.flows import change

PAGES = {topic: importlib.import_module(f"derivations.book.pictures.{topic}")
         for topic in "hierarchical gan diffusion evaluation autoregressive codes flows energies scores slips".split()}

near = functools.partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12)


@functools.cache
def shown(topic, name):
    return next(p for p in of(topic) if p.name == name).numbers()


# ---- foundations -----------------------------------------------------------------------------------------------------
def test_the_margins_are_the_sums_of_the_table_and_the_posterior_is_its_row_over_the_sum():
    n = shown("foundations", "table")
    near(n["p_xz"].sum(), 1)
    near(n["p_x"], [math.fsum(row) for row in n["p_xz"]])
    near(n["p_z"], [math.fsum(column) for column in n["p_xz"].T])
    near(n["posterior"] * n["evidence"], n["p_xz"][foundations.SEEN])
    near(n["posterior"].sum(), 1)
    near(n["posterior"], [1/8, 1/4, 1/2, 1/8])


# ---- divergences -----------------------------------------------------------------------------------------------------
def test_as_two_laws_move_apart_kl_is_infinite_js_stops_at_log_2_and_w1_is_the_shift():
    n = shown("divergences", "apart")
    assert n["kl"][0] == 0 and (n["kl"][1:] == math.inf).all()
    near(n["w1"], n["shifts"])
    near(n["js"][5:], math.log(2))
    assert n["js"][0] == 0 and (np.diff(n["js"][:6]) > 0.01).all()
    assert n["full"] == 5
    for d, js in zip(n["shifts"], n["js"]):
        p, q = np.zeros((2, 13))
        p[:5] = q[d:d + 5] = n["hump"]
        near(js, entropy_of((p + q) / 2) - (entropy_of(p) + entropy_of(q)) / 2)


def test_the_law_that_covers_has_the_moments_of_p():
    n = shown("divergences", "directions")
    near(n["q_cover"] @ n["x"], n["p"] @ n["x"], rtol=1e-6, atol=1e-6)
    near(n["q_cover"] @ n["x"]**2, n["p"] @ n["x"]**2, rtol=1e-6, atol=1e-6)


def test_no_normal_law_is_nearer_in_either_direction():
    n = shown("divergences", "directions")
    near(n["kl_cover"], entropy_of(n["p"], n["q_cover"]))
    near(n["kl_seek"], entropy_of(n["q_seek"], n["p"]))
    for mu, s in itertools.product(np.linspace(-4, 4, 41), np.geomspace(0.3, 4, 27)):
        q = divergences.bump(n["x"], mu, s)
        assert entropy_of(n["p"], q) >= n["kl_cover"] - 1e-12
        assert entropy_of(q, n["p"]) >= n["kl_seek"] - 1e-12


def test_the_law_that_picks_lies_on_the_heavier_bump_and_costs_less_than_that_bump():
    n = shown("divergences", "directions")
    assert abs(n["seek"][0] + 2.5) < 0.05
    assert n["kl_seek"] < entropy_of(divergences.bump(n["x"], -2.5, 0.7), n["p"]) < -math.log(0.6)


def test_the_plan_carries_p_to_q_and_no_plan_is_cheaper():
    n = shown("divergences", "transport")
    near(n["plan"].sum(1), n["p"])
    near(n["plan"].sum(0), n["q"])
    near(n["cost"], wasserstein_distance(n["x"], n["x"], n["p"], n["q"]))
    X    = len(n["p"])
    sums = np.concatenate([np.kron(np.eye(X), np.ones(X)), np.kron(np.ones(X), np.eye(X))])
    best = linprog(abs(n["x"][:, None] - n["x"]).ravel(), A_eq=sums, b_eq=np.concatenate([n["p"], n["q"]]))
    near(n["cost"], best.fun, rtol=1e-8)


def test_the_function_above_the_plan_has_slope_one_and_reaches_the_cost():
    n = shown("divergences", "transport")
    assert (abs(np.diff(n["f"])) <= np.diff(n["x"])).all()
    near(n["p"] @ n["f"] - n["q"] @ n["f"], n["cost"])
    near(n["dual"], n["cost"])
    for i, j in zip(*n["plan"].nonzero()):
        near(n["f"][i] - n["f"][j], abs(n["x"][i] - n["x"][j]))


# ---- the bound -------------------------------------------------------------------------------------------------------
def test_the_bars_sum_to_log_p_for_every_q():
    n = shown("elbo", "bar")
    near(n["elbo"] + n["kl"], math.log(elbo.P_Z @ elbo.P_X_Z[:, 0]))
    near(n["log_p"], math.log(elbo.P_Z @ elbo.P_X_Z[:, 0]))
    near(n["kl"], [entropy_of(q, n["posterior"]) for q in n["q"]])


def test_q_ends_at_the_posterior_where_nothing_is_lost():
    n = shown("elbo", "bar")
    joint = elbo.P_Z * elbo.P_X_Z[:, 0]
    near(n["q"].sum(1), 1)
    near(n["q"][-1], joint / joint.sum())
    assert (np.diff(n["elbo"]) > 0.01).all() and abs(n["kl"][-1]) < 1e-12


def test_between_the_logarithm_and_its_chord_lies_a_kl():
    n = shown("elbo", "chord")
    near(n["mean"], n["q"] @ n["w"])
    near(n["top"], math.log(n["mean"]))
    near(n["low"], n["q"] @ np.log(n["w"]))
    near(n["top"] - n["low"], n["kl"])
    near(n["kl"], entropy_of(n["q"], n["q"] * n["w"]))


def test_the_difference_of_the_two_terms_is_the_bound_and_highest_at_the_posterior():
    n = shown("elbo", "balance")
    near(n["fit"] - n["price"], n["elbo"])
    near(n["elbo"], [q @ (np.log(elbo.P_Z * elbo.P_X_Z[:, 0]) - np.log(q)) for q in n["q"]])
    top = n["elbo"].argmax()
    near((n["t"][top], n["elbo"][top], n["fit_at_1"] - n["price_at_1"]), (1, n["log_p"], n["log_p"]))
    assert (np.diff(n["fit"]) > 0).all() and (np.diff(n["price"]) > 0).all()


# ---- mixtures --------------------------------------------------------------------------------------------------------
def test_the_colours_are_the_posterior_and_the_log_likelihood_that_of_the_mixture_at_each_step():
    n = shown("mixtures", "colours")
    for step, r, pi, mu, Sigma in zip(mixtures.SHOWN, n["r"], n["pi"], n["mu"], n["Sigma"]):
        joint = np.stack([w * multivariate_normal.pdf(n["x"], *law) for w, *law in zip(pi, mu, Sigma)], axis=1)
        near(r, joint / joint.sum(1, keepdims=True), rtol=1e-9)
        near(n["rise"][step], np.log(joint.sum(1)).sum())
    near((n["start"], n["end"]), n["rise"][[0, -1]])


def test_every_step_of_em_raises_the_log_likelihood_and_in_the_end_few_points_are_open():
    n = shown("mixtures", "colours")
    assert (np.diff(n["rise"]) > 0).all()
    for r, unsure in ((n["r"][0], n["unsure"]), (n["r"][-1], n["unsure_end"])):
        assert unsure == sum(0.1 < a < 0.9 for a in r[:, 0])
    assert n["unsure"] > 3 * n["unsure_end"] > 0


def test_a_bound_touches_log_p_where_its_step_starts_and_lies_below_elsewhere():
    n = shown("mixtures", "staircase")
    near(n["low"][::2], n["high"][::2])
    assert (n["bounds"] <= n["total"] + 1e-12).all()
    near(n["high"], [loglik(m) for m in np.repeat(n["way"], 2)[1:-1]])


def test_every_step_goes_to_the_top_of_its_bound_and_the_staircase_never_falls():
    n = shown("mixtures", "staircase")
    for step, (F, low) in enumerate(zip(n["bounds"], n["low"][1::2])):
        assert F.max() <= low + 1e-12 and abs(n["m"][F.argmax()] - n["way"][step + 1]) <= n["m"][1] - n["m"][0]
    assert (n["high"][1::2] - n["low"][1::2] > 0).all()
    assert (np.diff(n["low"]) > 0).all()
    near(n["low"][1] + n["opened"], n["high"][2])


def loglik(m):
    x = np.array([-2.5, -2, -1.6, -1.1, 1.4, 1.8, 2.3, 2.7])
    return np.log((norm.pdf(x, -1.8) + norm.pdf(x, m)) / 2).sum()


def test_without_a_least_width_the_component_shrinks_to_nothing_and_with_it_it_stays_there():
    n = shown("mixtures", "collapse")
    assert (np.diff(n["free_width"]) < 0).all()
    assert n["free_next"][2][0, 0, 0] <= 1e-12 and n["free_next"][1][0, 0] == pytest.approx(2.6, abs=1e-9)
    near(n["held_width"].min(), math.sqrt(mixtures.FLOOR))
    near(n["held_width"][-1], math.sqrt(mixtures.FLOOR))
    assert (np.diff(n["held_total"]) > 0).all()


def test_a_narrower_component_on_a_point_makes_the_likelihood_as_large_as_one_likes():
    x      = shown("mixtures", "collapse")["x"]
    totals = [np.log(norm.pdf(x, 2.6, s) / 9 + 8 / 9 * norm.pdf(x, 0, 1.2)).sum() for s in (1e-5, 1e-6, 1e-7)]
    near(np.diff(totals), math.log(10), rtol=1e-4)


def test_the_densities_shown_are_laws():
    n = shown("mixtures", "collapse")
    for y in (*n["free_curves"], *n["held_curves"]):
        assert np.trapezoid(y, n["grid"]) == pytest.approx(1, abs=0.03)


# ---- estimators ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("k", (1, 2, 3))
def test_the_law_of_few_draws_is_what_the_line_finds_by_going_through_all_of_them(k):
    y, p = estimators.law(k)
    every = np.array(list(itertools.product(range(3), repeat=k)))
    value = np.log(estimators.P_X_Z[every].mean(1))
    share = estimators.P_Z[every].prod(1)
    for power in (1, 2):
        near(p @ y**power, share @ value**power)
    p_x_z = np.stack([estimators.P_X_Z, 1 - estimators.P_X_Z], axis=1)
    near(p @ y, naive_log.value(Sample(prior_draws, dict(X=2, Z=3, k=k, p_z=estimators.P_Z, p_x_z=p_x_z)))[0][0])


def test_the_mean_is_right_for_every_k_and_its_logarithm_too_low_by_less_and_less():
    n = shown("estimators", "too-low")
    for k in estimators.KS:
        y, p = estimators.law(k)
        near((p.sum(), p @ np.exp(y)), (1, math.exp(n["log_p"])))
    assert n["one"] > n["ten"] > n["hundred"] > 0
    near(n["shares"].sum(1), 1)
    variance = estimators.P_Z @ (estimators.P_X_Z / math.exp(n["log_p"]) - 1)**2
    near(n["hundred"], variance / 200, rtol=0.1)              # the first term of its series in 1 / k


def test_the_variances_of_both_gradients_are_those_of_the_closed_forms():
    n = shown("estimators", "gradients")
    s, c = n["sigma"], math.cos(2 * estimators.MU)
    square = (np.exp(-s**2 / 2) * math.cos(estimators.MU))**2
    near(n["through"], (1 + np.exp(-2 * s**2) * c) / 2 - square, rtol=1e-9)
    near(n["score"], (1 - np.exp(-2 * s**2) * (1 - 4 * s**2) * c) / (2 * s**2) - square, rtol=1e-9)


def test_the_variances_cross_once_and_there():
    n = shown("estimators", "gradients")
    assert ((n["score"] < n["through"]) == (n["sigma"] > n["crossing"])).all()
    s, c = n["crossing"], math.cos(2 * estimators.MU)
    near(1 + math.exp(-2 * s**2) * c, (1 - math.exp(-2 * s**2) * (1 - 4 * s**2) * c) / s**2, rtol=1e-3)


def test_a_mean_of_n_draws_errs_by_half_the_band():
    n = shown("estimators", "funnel")
    near(n["rms"], n["band"] / 2, rtol=1e-9)
    near(n["rms"] * np.sqrt(n["n"]), n["rms"][0] * 2, rtol=1e-9)
    coin = dict(Z=2, q=np.array([0.7, 0.3]), f=np.array([0., 1.]))
    for N in (1, 2, 3):
        near(squared_error.value(Sample(all_draws, dict(coin, N=N)))[0], 0.21 / N)


def test_the_band_holds_what_it_says_for_any_coin_and_draws():
    n = shown("estimators", "funnel")
    assert (n["inside"] > 0.75).all()                                                  # Chebyshev
    assert 0.04 < n["outside"] < 0.05                                                  # and the normal law: 0.0455
    assert (abs(n["paths"][:, -1] - 0.3) < 2.5 * n["band"][-1]).all()        # a false alarm for one stream in 10^5


# ---- autoencoders ----------------------------------------------------------------------------------------------------
X = digits()["train"]["x"].astype(float)


def test_the_ellipses_are_those_of_the_joint_normal_law_given_the_image():
    n     = shown("vae", "plane")
    W, s2 = n["W"], n["s2"]
    joint = np.block([[W @ W.T + s2 * np.eye(64), W], [W.T, np.eye(2)]])
    gain  = np.linalg.solve(joint[:64, :64], joint[:64, 64:])                       # [64, 2]
    near(n["m"], (X - n["b"]) @ gain, rtol=1e-9, atol=1e-9)
    near(n["Sigma"], joint[64:, 64:] - joint[64:, :64] @ gain, rtol=1e-9, atol=1e-9)
    near((n["wide"], n["high"]), np.sqrt(np.diagonal(n["Sigma"])))


def test_means_and_ellipses_together_have_the_moments_of_the_prior():
    n = shown("vae", "plane")
    near(n["m"].mean(0), 0, atol=1e-9)
    near(n["m"].T @ n["m"] / n["count"] + n["Sigma"], np.eye(2), atol=1e-9)


def test_the_plane_is_that_of_the_two_leading_axes():
    n   = shown("vae", "plane")
    lam = np.linalg.svd(X - X.mean(0), compute_uv=False)**2 / len(X)
    near(n["s2"], lam[2:].mean(), rtol=1e-9)
    near((n["W"]**2).sum(0), lam[:2] - n["s2"], rtol=1e-9)
    near(np.diagonal(n["Sigma"]), n["s2"] / lam[:2], rtol=1e-9)


def test_the_images_shown_are_ten_different_digits_at_their_codes():
    n = shown("vae", "plane")
    assert list(n["y"][n["shown"]]) == list(range(10))
    near(16 * n["images"].reshape(10, 64), X[n["shown"]])


def test_a_mass_of_86_percent_lies_within_two_standard_deviations():
    near(shown("vae", "plane")["inside"], quad(lambda r: r * math.exp(-r * r / 2), 0, 2)[0])
    S = np.array([[2., 1], [1, 3]])
    points = mixtures.ring(S)
    near(np.einsum("in,ij,jn->n", points, np.linalg.inv(S), points), 4)


def test_a_guess_costs_its_kl_to_the_posterior():
    n, p = shown("vae", "guess"), shown("vae", "plane")
    v    = np.diagonal(p["Sigma"])
    off  = (p["m"]**2).mean(0)
    cost = [((u := v**(t - 1)) - 1 - np.log(u) + (1 - t)**2 * off / v).sum() / 2 for t in n["t"]]
    near(n["log_p"] - n["elbo"], cost, rtol=1e-9, atol=1e-9)
    near((n["blind"], n["half"]), (cost[0], cost[2]), rtol=1e-9)
    C = p["W"] @ p["W"].T + p["s2"] * np.eye(64)
    near(n["log_p"], multivariate_normal.logpdf(X, p["b"], C).mean(), rtol=1e-9)


def test_a_code_is_used_exactly_where_the_data_vary_by_more_than_the_noise():
    n   = shown("vae", "unused")
    lam = (np.linalg.svd(X - X.mean(0), compute_uv=False)**2 / len(X))[:30]
    near(n["lam"], lam, rtol=1e-9)
    near(n["rates"], np.log(np.maximum(lam / vae.NOISE, 1)) / 2, rtol=1e-9, atol=1e-9)
    near(n["rates"], n["closed"], rtol=1e-9, atol=1e-9)
    assert abs(n["rates"][n["used"]:]).max() < 1e-9 < 0.01 < n["rates"][:n["used"]].min()
    assert n["used"] + n["left"] == 30 and n["used"] == (lam > vae.NOISE).sum()


def entropy(p):
    p = p[p > 0]
    return -p @ np.log(p)


def kl(p, q):
    return np.sum(p * np.log(p / q))


def normal(x, m, v):
    return np.exp(-(x - m)**2 / (2 * v)) / np.sqrt(2 * np.pi * v)


# ---- slips -----------------------------------------------------------------------------------------------------------
def test_the_world_of_the_slip_is_the_smallest_that_is_found_and_its_numbers_stand_in_the_readme():
    found, drawn = PAGES["slips"], shown("slips", "two-points")
    small = gan.two_laws.smallest(lambda s: abs(np.subtract(*found.values(n=s["n"], n_G=s["n_G"]))) > 1e-9)
    np.testing.assert_array_equal([small["p"], small["p_G"]], [drawn["p"], drawn["p_G"]])
    readme = Path(__file__).parent.parent.joinpath("README.md").read_text()
    assert all(f"{drawn[name]:.3f}" in readme for name in ("right", "printed", "floor"))


def test_the_right_line_lies_over_the_floor_by_twice_the_js_and_the_printed_one_below_it_by_twice_a_kl():
    s = shown("slips", "two-points")
    for share, right, printed in zip(s["share"], s["right_curve"], s["printed_curve"]):
        q = np.array([1 - share, share])
        m = (q + 1/2) / 2
        assert right == pytest.approx(2 * entropy(m) - math.log(2) - entropy(q) - math.log(4), abs=1e-14)
        assert printed == pytest.approx(-2 * kl(m, 1/2) - math.log(4), abs=1e-14)
    m = np.array([5, 7]) / 12
    assert s["right"] == pytest.approx(2 * entropy(m) - entropy(s["p_G"]) - math.log(8), abs=1e-14)
    assert s["printed"] == pytest.approx(-2 * kl(m, 1/2) - math.log(4), abs=1e-14)


# ---- games -----------------------------------------------------------------------------------------------------------
def test_the_discriminator_of_each_stage_is_the_sigmoid_of_the_log_ratio_and_the_game_is_the_js():
    s = shown("gan", "stages")
    for p_G, D, V in zip(s["p_G"], s["D"], s["V"]):
        np.testing.assert_allclose(D, expit(np.log(s["p"]) - np.log(p_G)), rtol=1e-12)
        js = entropy((s["p"] + p_G) / 2) - entropy(s["p"]) / 2 - entropy(p_G) / 2
        assert V == pytest.approx(2 * js - math.log(4), abs=1e-12)
    assert 0 > s["V"][0] > s["V"][1] > s["V"][2] == pytest.approx(-math.log(4), abs=1e-12)


def test_the_two_pulls_on_a_fake_are_slopes_of_their_losses_and_sum_to_one():
    s, h = shown("gan", "pulls"), 1e-6
    less = dict(saturating=lambda a: -np.log1p(-expit(a)), nonsaturating=lambda a: np.log(expit(a)))       # the losses
    for pull, loss in ((s[name], less[name]) for name in less):
        np.testing.assert_allclose(pull, (loss(s["a"] + h) - loss(s["a"] - h)) / (2 * h), atol=1e-7)
    np.testing.assert_allclose(s["saturating"] + s["nonsaturating"], 1, rtol=1e-14)
    assert s["worst"] == pytest.approx(1 / (1 + math.exp(6)), rel=1e-12)


def test_the_game_knows_only_how_many_modes_are_found():
    s, k = shown("gan", "modes"), np.arange(1, 9)
    both = (1/8 + 1 / k)                                        # the two masses at a mode that is found
    V    = k / 8 * np.log(1/8 / both) + np.log(1 / k / both)    # where one is missing, log 1
    np.testing.assert_allclose(s["game"], [V, V], rtol=1e-12)
    np.testing.assert_array_equal((s["q"] > 0).sum(-1), [k, k])
    np.testing.assert_allclose(s["q"].sum(-1), 1, rtol=1e-14)


def test_the_way_to_the_missing_modes_is_that_of_the_best_matching_of_equal_parts():
    s = shown("gan", "modes")
    np.testing.assert_allclose(np.hypot(*s["modes"].T), 2, rtol=1e-12)
    for row, laws in zip(s["w1"], s["q"]):
        for k, (w1, q) in enumerate(zip(row, laws), 1):
            there, here = np.repeat(s["modes"], k, axis=0), np.repeat(s["modes"][q > 0], 8, axis=0)     # 8 k parts each
            cost = np.hypot(*(there[:, None] - here).T)
            assert w1 == pytest.approx(cost[linear_sum_assignment(cost)].mean(), abs=1e-9)
    assert (s["w1"][1] <= s["w1"][0] + 1e-9).all() and s["w1"][1][3] < s["w1"][0][3] - 0.3


# ---- hierarchies -----------------------------------------------------------------------------------------------------
def test_what_flows_into_a_code_flows_out_of_it_and_all_of_it_is_one():
    s = shown("hierarchical", "graphs")
    for above, below in ((s["p_21"], s["p_1x"]), (s["q_x1"], s["q_12"])):
        np.testing.assert_allclose(above.sum(0), below.sum(1), rtol=1e-14)
        assert above.sum() == pytest.approx(1, abs=1e-14)
    shares = {name: s[name] / s[name].sum(1, keepdims=True) for name in s}
    np.testing.assert_allclose(shares["p_21"], [[0.6, 0.3, 0.1], [0, 0.3, 0.7]], atol=1e-14)
    np.testing.assert_allclose(shares["q_12"], [[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]], rtol=1e-13)
    np.testing.assert_allclose(s["p_1x"].sum(0), [0.24 * 0.8 + 0.3 * 0.2, 0.24 * 0.2 + 0.3 * 0.6 + 0.46 * 0.3,
                                                  0.3 * 0.2 + 0.46 * 0.7], rtol=1e-13)


def test_the_bound_is_log_p_less_a_kl_and_what_is_printed_is_a_constant_and_an_entropy():
    s = shown("hierarchical", "dependence")
    a = np.array([0.7, 0.3])
    posterior = np.array([[0.85, 0.15], [0.15, 0.85]]) * a[:, None]
    np.testing.assert_allclose(s["joint"], posterior, rtol=1e-12)
    assert s["log_p"] == pytest.approx(-math.log(2), abs=1e-14)
    np.testing.assert_allclose(s["product"], np.outer(a, posterior.sum(0)), rtol=1e-12)
    for r, right, printed in zip(s["r"], s["right"], s["printed"]):
        q = s["product"] + r * (posterior - s["product"]) / s["best"]
        assert right == pytest.approx(s["log_p"] - kl(q, posterior), abs=1e-12)
        assert printed == pytest.approx(s["right"][22] + entropy(q.ravel()) - entropy(s["product"].ravel()), abs=1e-12)
    assert s["r"][22] == pytest.approx(0, abs=1e-15) and s["printed"].argmax() == 22
    assert s["right"].max() < s["log_p"] and abs(s["r"][s["right"].argmax()] - s["best"]) < 0.02


@pytest.mark.parametrize("T", [1, 3, 10])
def test_on_normal_data_the_deep_bound_is_that_of_the_line(T):
    v, s = 0.3, schedule(cosine(T))
    ratio = (s.abar_1 * v + s.vbar_1) / (s.abar * v + s.vbar)
    line  = Sample(hierarchical.normal_chain, dict(T=T, x=np.sqrt(v), a=np.sqrt(s.alpha) * ratio, s=s.beta * ratio,
                                                   c=np.sqrt(s.alpha), r=s.beta))
    one   = np.ones(1), np.zeros(1), np.array([v])                                                  # one normal law
    bound = PAGES["hierarchical"].chain_of(T, np.linspace(-9, 9, 2001), *one)[0]
    assert bound == pytest.approx(float(hierarchical.chain_bound.value(line)[0]), abs=1e-12)


def test_the_deep_bound_is_a_bound_for_the_law_that_is_drawn_and_its_gap_shrinks_as_the_depth_doubles():
    s = shown("hierarchical", "depth")
    dx = s["x"][1] - s["x"][0]
    for T, law in s["made"].items():
        assert law.sum() * dx == pytest.approx(1, abs=1e-3)
        assert s["bounds"][list(s["T"]).index(T)] < s["data"] @ np.log(law) * dx + 1e-6 < s["truth"]
    gaps = s["truth"] - s["bounds"]
    assert (np.diff(gaps) < 0).all() and (gaps > 0).all()
    assert (gaps[2:] < 0.55 * gaps[1:-1]).all()


def test_the_bound_of_two_levels_is_a_sum_over_their_joint_law():
    """On a grid, without the mixture's formulas: the best normal step has the mean and variance of the sum itself."""
    w, m, v = np.array([0.4, 0.6]), np.array([-1.0, 0.8]), np.array([0.02, 0.06])
    x  = np.linspace(-5, 5, 1001)
    dx = x[1] - x[0]
    s  = schedule(cosine(2))
    law, bound = normal(x[:, None], m, v) @ w, 0
    for alpha, beta in zip(s.alpha, s.beta):
        step  = normal(x[:, None], np.sqrt(alpha) * x, beta)                # [x_t, x_{t-1}]
        joint = step * law * dx**2
        given = joint / joint.sum(1, keepdims=True)
        mean  = given @ x
        var   = given @ x**2 - mean**2
        miss  = (x - mean[:, None])**2 / var[:, None] - (x[:, None] - np.sqrt(alpha) * x)**2 / beta
        bound -= np.sum(joint * (miss + np.log(var / beta)[:, None])) / 2
        law    = joint.sum(1) / dx
    bound += law @ np.log(normal(x, 0, 1)) * dx
    assert shown("hierarchical", "depth")["bounds"][1] == pytest.approx(bound, abs=3e-6)           # N(0, 1) beyond 5


# ---- diffusion -------------------------------------------------------------------------------------------------------
def test_every_column_of_the_strip_is_a_law_with_the_moments_of_the_kernel():
    s, d = shown("diffusion", "strip"), PAGES["diffusion"]
    abar = np.concatenate([[1], schedule(cosine(s["T"])).abar])
    dx   = s["x"][1] - s["x"][0]
    m    = np.dot(d.W, d.M)
    v    = np.dot(d.W, np.array(d.V) + np.array(d.M)**2) - m**2
    x    = np.linspace(-9, 9, 1801)
    for t in (0, 1, 60, 200):
        inside = s["density"][t].sum() * dx
        assert 0.99 < inside <= 1 + 1e-9
        q    = np.interp(x, s["x"], s["density"][t], left=0, right=0) / inside * 0.01
        wide = abar[t] * v + 1 - abar[t]
        assert q @ x == pytest.approx(np.sqrt(abar[t]) * m, abs=0.02)
        assert q @ x**2 - (q @ x)**2 == pytest.approx(wide, rel=0.05)


def test_the_noise_of_the_strip_is_a_mean_over_all_data():
    d, x = PAGES["diffusion"], np.array([-1.5, -0.2, 0.1, 1.9])
    s    = schedule(cosine(200))
    x0   = np.linspace(-4, 4, 4001)
    p    = sum(w * normal(x0, m, v) for w, m, v in zip(d.W, d.M, d.V))
    for t in (3, 50, 150, 200):
        abar  = s.abar[t - 1]
        given = p * normal(x[:, None], np.sqrt(abar) * x0, 1 - abar)
        eps   = (x[:, None] - np.sqrt(abar) * x0) / np.sqrt(1 - abar)
        np.testing.assert_allclose(d.noise(x, t, s), (given * eps).sum(1) / given.sum(1), rtol=1e-8, atol=1e-9)


def test_a_path_back_keeps_its_place_among_all_others():
    """Without noise the way back moves the law as a flow does: below it lies what lay below it. Steps are not small."""
    s, d = shown("diffusion", "strip"), PAGES["diffusion"]
    abar = np.concatenate([[1], schedule(cosine(s["T"])).abar])
    for t in (0, 20, 50, 100, 200):
        m, v  = np.sqrt(abar[t]) * np.array(d.M), abar[t] * np.array(d.V) + 1 - abar[t]
        below = (1 + erf((s["paths"][t][:, None] - m) / np.sqrt(2 * v))) @ d.W / 2
        np.testing.assert_allclose(below, s["below"], atol=0.02)


def test_the_posterior_is_the_product_of_its_two_hints():
    s = shown("diffusion", "product")
    product = s["from_x0"] * s["from_xt"]
    np.testing.assert_allclose(s["both"], product / product.sum() / (s["x"][1] - s["x"][0]), atol=1e-6)
    assert s["sd"]**-2 == pytest.approx(s["sd_x0"]**-2 + s["sd_xt"]**-2, rel=1e-12)
    middle = np.sqrt(0.7) * 1.6 / s["sd_x0"]**2 - 0.4 / np.sqrt(0.75) / s["sd_xt"]**2
    assert s["mean"] == pytest.approx(s["sd"]**2 * middle, rel=1e-12)


def test_the_curves_of_the_schedules_follow_from_their_betas():
    s = shown("diffusion", "schedules")
    angle  = (s["t"] / 1000 + 0.008) / 1.008 * np.pi / 2
    closed = np.cos(angle)**2 / np.cos(0.008 / 1.008 * np.pi / 2)**2
    np.testing.assert_allclose(s["cosine"]["abar"][:-1], closed[:-1], rtol=1e-9)                # the last beta is cut
    np.testing.assert_allclose(s["linear"]["abar"], np.cumprod(1 - np.linspace(1e-4, 0.02, 1000)), rtol=1e-10)
    for name in ("linear", "cosine"):
        abar  = s[name]["abar"]
        alpha = abar / np.concatenate([[1], abar[:-1]])
        np.testing.assert_allclose(s[name]["snr"], 1 / (1 / abar - 1), rtol=1e-9)
        np.testing.assert_allclose(s[name]["weight"], (1 - alpha) / (2 * alpha * (1 - abar)), rtol=1e-9)
        assert s["gone"][name] == np.argmax(abar <= 0.1) and (np.diff(abar) < 0).all()
    assert s["dear"] == pytest.approx(max(s["linear"]["weight"]) / min(s["linear"]["weight"]))


# ---- evaluation ------------------------------------------------------------------------------------------------------
def test_on_the_line_the_bias_is_that_of_a_mean_and_of_a_deviation():
    s = shown("evaluation", "few-samples")
    c = chi(s["n"] - 1).mean() / np.sqrt(s["n"] - 1)
    np.testing.assert_allclose(s["line"], 2 / s["n"] + 2 - 2 * c**2, rtol=1e-7)
    np.testing.assert_allclose(s["line"], PAGES["evaluation"].expected(s["n"], 1), rtol=0.01)


def test_the_measured_bias_is_what_theory_says_and_falls_as_one_over_n():
    """24 distances of about 44 terms and 3 of 2144: five deviations of their means are 0.22 and 0.09 of them; the
    second order adds 0.06 at n = 100 and D = 64. The draws are those of one seed."""
    s = shown("evaluation", "few-samples")
    for D, rtol in ((8, 0.22), (64, 0.15)):
        np.testing.assert_allclose(s["drawn"][D], s["first"][D], rtol=rtol)
        np.testing.assert_allclose(s["drawn"][D][0] / s["drawn"][D][-1], 20, rtol=0.25)


def test_noise_costs_little_likelihood_and_a_missed_mode_all_of_its_distance():
    s    = shown("evaluation", "counterexamples")
    near = erf(3 / np.sqrt(2))
    x    = np.linspace(-4.5, 4.5, 90001)
    p    = sum(normal(x, m, 0.05**2) / 4 for m in (-1.8, -0.6, 0.6, 1.8))
    with np.errstate(divide="ignore", invalid="ignore"):
        noisy = np.where(p > 0, p * np.log(p / (0.01 * p + 0.99 / 9.005)), 0).sum() * 1e-4
    assert s["lost"][0] == pytest.approx(noisy, abs=1e-3) and s["lost"][0] < s["most"]
    assert s["lost"][1] == pytest.approx((1.2 / 0.05)**2 / 8 + math.log(3/4), rel=1e-6)     # a quarter of d^2 / 2 s^2
    np.testing.assert_allclose(s["good"], [0.01 * near + 0.99 * s["near"], near], atol=2e-3)
    assert s["near"] == pytest.approx(4 * 0.3 / 9, rel=0.02)


def test_what_the_jackknife_leaves_is_little_and_the_kernel_distance_is_right_as_it_is():
    """16 pairs of sets for each n, of one seed: a mean of 16 is five errors away once in 6000 times."""
    s = shown("evaluation", "corrected")
    distance, left, kernel = s["means"]
    assert (abs(distance - s["first"]) < 5 * s["errors"][0] + 0.1 * s["first"]).all()
    assert (abs(left) < 5 * s["errors"][1]).all() and (abs(left) < distance / 5).all()
    assert (abs(kernel) < 5 * s["errors"][2]).all() and 0 < s["below"] < s["all"]


def test_every_distortion_is_seen_and_the_most_of_two_of_them_is_known():
    """1257 digits: the moments of so many draws are off by few in a hundred."""
    s = shown("evaluation", "distortions")
    x = digits()["train"]["x"] / 16
    for name, found in s["found"].items():
        assert found[0] < 1e-12 and (np.diff(found) > 0).all(), name
    lam = np.linalg.eigvalsh(np.cov(x.T)).clip(0)
    near(s["found"]["noise"][-1], ((np.sqrt(lam + 1) - np.sqrt(lam))**2).sum(), rtol=0.05)
    near(s["found"]["contamination"][-1], ((1 - 2 * x.mean(0))**2).sum(), rtol=0.1)             # by negatives


def test_planted_sets_lose_as_much_recall_as_they_leave_out_and_strays_cost_precision_alone():
    s, (y, *paths) = shown("evaluation", "precision-recall"), PAGES["evaluation"].planted()
    def ball(x):
        return np.sort(cdist(x, x), 1)[:, 3]
    for name, path in zip(("fewer", "strays"), paths):
        for x, found in zip(path, s[name]):
            far, in_y = cdist(x, y), cdist(x, y) <= ball(y)
            near(found, [in_y.any(1).mean(), (far <= ball(x)[:, None]).any(0).mean(), in_y.sum() / (3 * len(x)),
                         in_y.any(0).mean()])
    (fewer, fewer_found), (strays, strays_found) = (s[name][:, :2].T for name in ("fewer", "strays"))
    kept = np.arange(8, 0, -1) / 8
    assert (0.9 * kept < fewer_found).all() and (fewer_found <= kept).all() and (fewer > 0.85).all()
    assert (np.diff(strays) < 0).all() and (strays_found > 0.9).all() and (np.diff(s["strays"][:, 3]) < 0).all()


# ---- chains and flows ------------------------------------------------------------------------------------------------
def test_the_cells_have_the_areas_of_the_joint_table_and_tile_the_square():
    s = shown("autoregressive", "growing")
    n = np.array([[[8, 5], [2, 3]], [[2, 3], [5, 4]]])
    np.testing.assert_allclose(s["p"], n / 32, rtol=1e-14)
    for at, (left, bottom, width, height) in s["boxes"].items():
        assert width * height == pytest.approx(n[at].sum() / 32, rel=1e-13)
    points = np.random.default_rng(0).uniform(size=(500, 2))
    for depth in (1, 2, 3):
        boxes = np.array([box for at, box in s["boxes"].items() if len(at) == depth])
        inside = ((points[:, None] > boxes[:, :2]) & (points[:, None] < boxes[:, :2] + boxes[:, 2:])).all(-1)
        assert (inside.sum(1) == 1).all()


def test_a_masked_network_is_a_full_triangle_in_its_order():
    """A network of these masks, all weights 1 and its units linear, has the ways as its slopes."""
    s = shown("autoregressive", "triangle")
    place, (a, b) = np.argsort(s["order"]), np.arange(2 * 10).reshape(2, 10) % 10 * 7 // 10 + 1
    ways = [[(place[j] < place[d]) + sum(place[j] < k <= l <= place[d] for k in a for l in b) for j in range(8)]
            for d in range(8)]
    np.testing.assert_array_equal(s["ways"], ways)
    np.testing.assert_array_equal(s["sorted"] > 0, np.tri(8, k=-1) > 0)
    np.testing.assert_array_equal(s["sorted"], np.array(ways)[s["order"]][:, s["order"]])
    assert (s["zeros"], s["some"]) == (8 * 9 / 2, 8 * 7 / 2)
    assert s["least"] == np.min(s["ways"][s["ways"] > 0]) and s["most"] == np.max(ways)


def test_the_blind_spot_is_a_cone_to_the_right_and_two_stacks_have_none():
    s, (y, x) = shown("autoregressive", "blind-spot"), PAGES["autoregressive"].PIXEL
    cone = np.fromfunction(lambda i, j: (i < y) & (j - x > y - i), (9, 9))
    np.testing.assert_array_equal(s["spots"], [cone, 0 * cone])
    np.testing.assert_array_equal(s["past"], np.fromfunction(lambda i, j: 9 * i + j < 9 * y + x, (9, 9)))
    assert s["missed"] == cone.sum() == 10 and s["missed_by_two"] == 0 and s["earlier"] == s["past"].sum()


def test_what_a_pattern_surprises_by_is_the_logarithm_of_how_many_there_are():
    s = shown("autoregressive", "appearing")
    bars = [np.reshape(rows if along else np.array(rows).T, -1) for along in (True, False)
            for bits in itertools.product((0, 1), repeat=3) for rows in [np.repeat(bits, 3).reshape(3, 3)]]
    bars, drawn = np.unique(bars, axis=0), PAGES["autoregressive"].DRAWN
    assert len(bars) == s["patterns"] == 14
    for d in range(10):
        some = bars[[np.array_equal(b[:d], drawn[:d]) for b in bars]]
        assert len(some) == s["left"][d]
        near(s["chances"][d], some.mean(0))
        if d < 9:
            near(s["entropies"][d], entropy_of([some[:, d].mean(), 1 - some[:, d].mean()]))
            near(s["surprises"][d], -math.log((some[:, d] == drawn[d]).mean()))
    near((s["total"], s["whole"]), math.log(14))
    assert s["silent"] == np.sum(s["left"][1:] == s["left"][:-1]) == 4


def test_the_density_behind_the_map_is_a_law_with_the_moments_of_moved_noise():
    s, d = shown("flows", "plane"), PAGES["flows"]
    grid = np.stack(np.meshgrid(s["a"], s["a"]), -1)
    cell = (s["a"][1] - s["a"][0])**2
    moved = d.there(grid)
    assert s["p_y"].sum() * cell == pytest.approx(1, abs=2e-3)
    for f in (lambda y: y[..., 0], lambda y: y[..., 1], lambda y: np.cos(y).prod(-1)):
        assert (f(grid) * s["p_y"]).sum() * cell == pytest.approx((f(moved) * s["p_z"]).sum() * cell, abs=3e-3)


def test_where_the_middle_of_the_noise_lands_the_density_is_divided_by_the_area_of_a_small_square():
    s, d, h = shown("flows", "plane"), PAGES["flows"], 1e-5
    J = np.stack([(d.there(e) - d.there(-e)) / (2 * h) for e in h * np.eye(2)], -1)
    assert s["base"] == pytest.approx(1 / (2 * np.pi))
    assert s["dense"] == pytest.approx(s["base"] / abs(J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0]), rel=1e-6)
    np.testing.assert_allclose(d.back(s["moved"])[0], s["lines"], atol=1e-12)


def test_the_determinant_is_the_area_of_the_parallelogram_by_its_corners():
    s = shown("flows", "parallelogram")
    x, y = s["y"].T
    area = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    assert s["det"] == pytest.approx(area, rel=1e-13) and s["density"] == pytest.approx(1 / area, rel=1e-13)


def test_repaired_a_planar_map_climbs_and_with_the_norm_for_its_square_it_goes_under_the_edge():
    s = shown("flows", "edge")
    soft = np.logaddexp(0, s["wu"]) - 1
    np.testing.assert_allclose(s["right"], soft, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(s["wrong"], (s["wu"] + soft) / 2, rtol=1e-12, atol=1e-14)
    assert (s["right"] > -1).all() and (s["wrong"] < -1).any()
    np.testing.assert_allclose(s["folded"], s["s"] - 3 * np.tanh(s["s"]), atol=1e-12)
    assert (np.diff(s["straight"]) > 0).all() and (np.diff(s["folded"]) < 0).any()


def test_every_layer_leaves_one_coordinate_and_moves_the_other_by_what_it_says():
    s = shown("flows", "layers")
    x, y, u, v = *s["lines"][0][..., :2].reshape(-1, 2).T, *s["lines"][3].reshape(-1, 2).T
    y = y * np.exp(-np.tanh(x) / 3) + 0.35 * x**2 - 0.7
    x = x * np.exp(-np.cos(y) / 5) + 0.9 * np.sin(1.2 * y)
    np.testing.assert_allclose(u, x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(v, y * np.exp(np.tanh(x) / 4) - 0.7 * np.sin(x), rtol=1e-12, atol=1e-12)
    for before, after, still in zip(s["lines"], s["lines"][1:], (0, 1, 0)):
        np.testing.assert_array_equal(after[..., still], before[..., still])
        assert (after[..., 1 - still] != before[..., 1 - still]).mean() > 0.99


def test_after_every_layer_the_density_is_a_law_with_the_moments_of_moved_noise():
    """But for 5e-6 of it, which lies beyond 9."""
    s, d = shown("flows", "layers"), PAGES["flows"]
    grid = np.stack(np.meshgrid(s["a"], s["a"]), -1)
    cell = (s["a"][1] - s["a"][0])**2
    y = grid
    for n, p in enumerate(s["p"]):
        assert p.sum() * cell == pytest.approx(1, abs=1e-5)
        for f in (lambda y: y[..., 0], lambda y: y[..., 1], lambda y: np.cos(y).prod(-1)):
            assert (f(grid) * p).sum() * cell == pytest.approx((f(y) * s["p"][0]).sum() * cell, abs=1e-4)
        np.testing.assert_allclose(d.unlayered(s["lines"][n], n)[0], s["lines"][0], atol=1e-12)
        y = change.coupling(y, *d.LAYERS[n])[0] if n < len(d.LAYERS) else y
    assert s["base"] == pytest.approx(1 / (2 * np.pi)) and s["most"] == s["p"][3].max() > s["base"]


def test_a_draw_finds_one_number_a_call_and_a_density_all_of_them_in_one():
    s = shown("flows", "waiting")
    np.testing.assert_array_equal(s["draw"], np.triu(np.ones((6, 6), bool)))
    np.testing.assert_array_equal(s["density"], np.ones((6, 1), bool))
    assert said("flows", "waiting") == [6, 1, 6]


# ---- energies --------------------------------------------------------------------------------------------------------
def test_the_landscape_is_the_law_of_its_energy_and_the_walk_one_of_langevins():
    s, d = shown("energies", "landscape"), PAGES["energies"]
    along  = lambda x: math.exp(-d.energy(np.array([x, 0.0])))
    across = math.sqrt(math.pi / 2)                                             # e^(-2 y^2), the valley's other side
    Z, left = quad(along, -4, 4)[0], quad(along, -4, s["ridge"])[0]
    at = 80, 50
    near(s["density"][at], math.exp(-d.energy(np.array([s["x"][50], s["y"][80]]))) / (Z * across), rtol=1e-8)
    assert s["left"] == pytest.approx(left / Z, abs=2e-3)
    near(d.score(s["walk"]), -np.stack([d.energy(s["walk"] + 1e-30j * e).imag / 1e-30 for e in np.eye(2)], -1))
    near(d.score(np.array([s["ridge"], 0])), 0, atol=1e-9)
    xi = (s["walk"][1:] - s["walk"][:-1] - d.H * d.score(s["walk"][:-1])) / math.sqrt(2 * d.H)
    n  = xi.size
    assert chi(n).ppf(5e-10) < np.linalg.norm(xi) < chi(n).isf(5e-10)           # false alarm 1e-9
    assert abs(xi.sum()) < norm.isf(5e-10) * math.sqrt(n)                       # and once more


def test_the_chance_to_cross_is_that_of_another_quadrature():
    s, d   = shown("energies", "landscape"), PAGES["energies"]
    nodes, weights = np.polynomial.legendre.leggauss(150)
    x, w   = (nodes * (s["ridge"] + 3) + s["ridge"] - 3) / 2, weights * (s["ridge"] + 3) / 2
    moved  = lambda x: x + d.H * d.score(np.stack([x, 0 * x], -1))[..., 0]
    step   = normal(x, moved(x)[:, None], 2 * d.H) * w
    stays  = np.ones(len(x))                                                    # from x, for the steps that are left
    for _ in range(d.STEPS - 1):
        stays = step @ stays
    assert s["crosses"] == pytest.approx(1 - normal(x, moved(d.START[:1])[0], 2 * d.H) * w @ stays, abs=1e-4)


def test_the_walk_ends_with_the_variance_shown_with_either_noise():
    s = shown("energies", "widths")
    for name, noise in (("right", 2 * s["h"]), ("wrong", s["h"]**2)):
        v = np.ones(len(s["h"]))
        for _ in range(3000):
            v = (1 - s["h"])**2 * v + noise
        near(s[name], v)
    assert (s["right"] > 1).all() and (np.diff(s["right"]) > 0).all() and s["wrong"][0] < 0.01


def test_the_ladder_agrees_with_all_states_and_all_walks():
    s, d = shown("energies", "rungs"), PAGES["energies"]
    bits = lambda n: np.array(list(itertools.product((0, 1), repeat=n)))
    v, h = bits(4), bits(3)
    def free(beta):
        return -np.log(np.exp(beta * (v @ d.W @ h.T + (v @ d.B)[:, None] + h @ d.C)).sum(1))
    log_z = math.log(np.exp(-free(1)).sum())
    near(s["log_z"], log_z)
    K     = list(s["K"])
    one   = free(0) - free(1)
    near(s["mean_log"][0], 7 * math.log(2) + one.mean())
    near(s["error"][0], np.exp(one).std() / np.exp(one).mean() / 10)
    E     = -(v @ d.W @ h.T + (v @ d.B)[:, None] + h @ d.C) / 2                 # two rungs, all 16^2 walks
    joint = np.exp(-E) / np.exp(-E).sum()
    step  = joint / joint.sum(1, keepdims=True) @ (joint / joint.sum(0)).T
    log_w = (free(0) - free(1/2))[:, None] + free(1/2) - free(1)
    near((step / 16 * log_w).sum() + 7 * math.log(2), s["mean_log"][K.index(2)])
    near((step / 16 * np.exp(log_w)).sum() * 2**7, math.exp(log_z), rtol=1e-11)
    square = (step / 16 * np.exp(2 * log_w)).sum() * 2**14 / math.exp(2 * log_z)
    near(s["error"][K.index(2)], math.sqrt(square - 1) / 10, rtol=1e-10)
    assert (np.diff(s["mean_log"]) > 0).all() and (s["mean_log"] < log_z).all() and (np.diff(s["error"]) < 0).all()
    near(said("energies", "rungs")[:2], (s["mean_log"][0], log_z), atol=0.005)


# ---- scores ----------------------------------------------------------------------------------------------------------
def test_the_arrows_are_the_slope_of_the_density_shown_and_all_lead_to_one_top_under_much_noise():
    s, d = shown("scores", "arrows"), PAGES["scores"]
    pi, mu, v = np.exp(d.HEAPS["log_pi"]), d.HEAPS["mu"], 0.3
    def density(x, sigma):
        w = v + sigma**2
        return (pi * np.exp(-((x[..., None, :] - mu)**2).sum(-1) / (2 * w)) / (2 * math.pi * w)).sum(-1)
    for sigma, shade, score in zip(s["sigmas"], s["density"], s["score"]):
        near(shade, density(np.stack(np.meshgrid(s["x"], s["y"]), -1), sigma), rtol=1e-10)
        near(score, np.stack([np.log(density(s["tails"] + 1e-30j * e, sigma)).imag / 1e-30 for e in np.eye(2)], -1))
    near([density(s["top"] + 1e-30j * e, s["most"]).imag / 1e-30 for e in np.eye(2)], 0)
    assert np.linalg.norm(s["top"] - pi @ mu) < 0.2
    near(said("scores", "arrows")[1:], s["top"], atol=0.005)


def test_the_annealed_chain_finds_the_weights_that_the_plain_one_loses_and_draws_of_both_agree():
    s, d = shown("scores", "islands"), PAGES["scores"]
    near(d.SIGMAS, scores.levels(5.0, 0.25, 10))
    assert abs(s["found"] - d.WEIGHTS[0]) < 0.03 < 0.25 < abs(s["lost"] - d.WEIGHTS[0])
    near(s["share"], d.WEIGHTS @ norm.cdf(0, d.MEANS, math.sqrt(d.V + d.SIGMAS[-1]**2)), atol=1e-6)
    n, dx, stream = 2000, s["x"][1] - s["x"][0], Stream.seed(0)("test_pictures")("islands")
    for name, share, sigmas in (("plain", s["lost"], d.SIGMAS[-1:]), ("annealed", s["found"], d.SIGMAS)):
        assert abs(s[name].sum() * dx - 1) < 1e-3
        noise = stream(name)("noise").normal((1000, n, 1), dtype="float64")
        T     = 1000 // len(sigmas)
        x     = d.SPREAD * (2 * stream(name)("x").uniform((n, 1), dtype="float64") - 1)
        x     = scores.annealed(d.island_score, x, lambda i, t: noise[(i - 1) * T + t - 1], sigmas, d.ALPHA, T)
        assert binom.ppf(5e-10, n, share) <= (x < 0).sum() <= binom.isf(5e-10, n, share)        # false alarm 1e-9
    near(said("scores", "islands"), (0.2, 1000, s["lost"], s["found"]), atol=0.005)


def test_the_losses_are_a_constant_apart_and_lowest_where_the_closed_form_says():
    s, d = shown("scores", "side-by-side"), PAGES["scores"]
    pi, mu, s2 = d.DATA["pi_"], d.DATA["mu"], d.NOISY["sigma"]**2
    for (known, made), v, noise in ((s["values"][:2], d.DATA["v"], 0), (s["values"][2:], s2 + 0 * mu, 1 / s2)):
        p, slope = (lambda x: pi @ normal(x, mu, v)), (lambda x: pi @ (normal(x, mu, v) * (mu - x) / v))
        squared  = quad(lambda x: slope(x)**2 / p(x), -12, 12, epsabs=1e-12, limit=200)[0]
        near(known - made, (squared - noise) / 2, atol=1e-6)                        # the grid's sum of a quotient
        near(known, s["b"]**2 * (pi @ (mu**2 + v)) / 2 + s["b"] + squared / 2, atol=1e-6)  # best: -1 / E x^2
        assert abs(s["b"][made.argmin()] + 1 / (pi @ (mu**2 + v))) < s["b"][1] - s["b"][0]
    near(said("scores", "side-by-side"), (s["gap"], s["noise_gap"]), atol=0.005)


# ---- codes -----------------------------------------------------------------------------------------------------------
def nearest_of(z, e):
    return ((z[:, None] - e)**2).sum(-1).argmin(1)


def test_every_answer_has_its_nearest_code_and_a_step_puts_codes_amid_their_answers():
    s = shown("codes", "cells")
    for e, k, lost in zip(s["e"], s["k"], s["lost"]):
        assert np.array_equal(k, nearest_of(s["x"], e))
        near(lost, ((s["x"] - e[k])**2).sum(1).mean())
    for i, code in enumerate(s["e"][1]):
        own = s["x"][s["k"][0] == i]
        near(code, own.mean(0) if len(own) else s["e"][0][i])
    e, k = s["e"][2], s["k"][2]
    near(e[np.unique(k)], [s["x"][k == i].mean(0) for i in np.unique(k)])               # nothing moves any more
    assert (np.diff(s["lost"]) < 0).all() and np.array_equal(e[5], s["e"][0][5]) and 5 not in s["k"]
    near(said("codes", "cells")[1:4], s["lost"][:2].tolist() + [20], atol=0.005)
    near(said("codes", "cells")[4:], [s["lost"][2], 5], atol=0.005)


def test_every_part_hears_what_the_chain_rule_says_and_of_other_terms_exactly_nothing():
    s, d = shown("codes", "routes")["hears"], PAGES["codes"].WORLD
    x, A, e, C = (np.asarray(d[name]) for name in ("x", "A", "e", "C"))
    z   = np.einsum("bm,nmd->bnd", x, A)
    k   = nearest_of(z.reshape(-1, 2), e).reshape(2, 2)
    r   = np.einsum("bnd,ndm->bm", e[k], C) - x
    own = np.stack([2 * (e[k] - z)[k == i].sum(0) for i in range(3)])
    length = lambda g: np.sqrt((g**2).sum())
    near(s, [[length(np.einsum("bp,bm,ndm->npd", x, r, C)), 0, length(np.einsum("bm,bnd->ndm", r, e[k]))],
             [0, length(own), 0],
             [length(np.einsum("bm,bnd->nmd", x, 2 * (z - e[k]))), 0, 0]])
    assert (s == 0).sum() == 5 == said("codes", "routes")[0]


def test_dead_codes_that_are_revived_say_more_and_both_curves_are_those_of_a_loop():
    s, places = shown("codes", "usage"), [(a, b) for b in range(4) for a in range(4)]
    for revive, curve in ((False, s["left"]), (True, s["revived"])):
        stream = Stream.seed(0)
        e      = 0.3 * stream("start").normal((16, 2), dtype="float64")
        N, m   = [1.0] * 16, e.copy()
        for t, told in enumerate(curve):
            which = stream(t)("which").integers(0, 16, 64)
            z     = np.array(places)[which] + 0.1 * stream(t)("z").normal((64, 2), dtype="float64")
            k     = nearest_of(z, e)
            for i in range(16):
                N[i] = 0.9 * N[i] + 0.1 * (k == i).sum()
                m[i] = 0.9 * m[i] + 0.1 * z[k == i].sum(0)
                e[i] = m[i] / N[i]
            if revive:
                chosen, middle = stream(t)("chosen").integers(0, 64, 16), sum(N) / 16
                for i in [i for i in range(16) if N[i] < 0.1 * middle]:
                    N[i], e[i], m[i] = middle, z[chosen[i]], middle * z[chosen[i]]
            near(told, math.exp(entropy_of(np.bincount(nearest_of(np.array(places), e)))), rtol=1e-9)
        assert ((1 <= curve) & (curve <= 16)).all()
    near(said("codes", "usage")[2:], (s["left"][-1], s["revived"][-1]), atol=0.05)
    assert s["revived"][-1] > s["left"][-1] + 4


# ---- what the captions say -------------------------------------------------------------------------------------------
def said(topic, name):
    """The numbers of a caption."""
    told = next(p for p in of(topic) if p.name == name).caption.format(**shown(topic, name))
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", told)]


def test_captions_say_the_numbers_of_their_pictures():
    gone = shown("diffusion", "schedules")["gone"]
    assert said("diffusion", "schedules")[:2] == [gone["linear"], gone["cosine"]] and gone["linear"] < gone["cosine"]
    near(said("gan", "modes")[-2:], shown("gan", "modes")["w1"][:, 3], atol=0.005)
    near([x for x in said("gan", "stages") if x < 0][:2], shown("gan", "stages")["V"][:2], atol=0.005)
    near(said("evaluation", "few-samples")[-1], shown("evaluation", "few-samples")["drawn"][64][-1], atol=0.05)
    assert said("evaluation", "corrected")[-3:] == [*(shown("evaluation", "corrected")[k] for k in ("below", "all")), 0]
    near(said("evaluation", "distortions"),
         [shown("evaluation", "distortions")["found"][name][-1] for name in ("blur", "noise")], atol=0.5)
    planted = shown("evaluation", "precision-recall")
    near(said("evaluation", "precision-recall"), 100 * np.array([planted["fewer"][-1, 1], planted["strays"][-1, 0]]),
         atol=0.51)
    assert said("estimators", "funnel")[-2] == shown("estimators", "funnel")["n"][-1]
    assert len(shown("mixtures", "colours")["x"]) in said("mixtures", "colours")
    near(shown("mixtures", "collapse")["held_width"].min(), 0.2)
    depth = shown("hierarchical", "depth")
    near(said("hierarchical", "depth")[-2:], (depth["bounds"][-1], depth["truth"]), atol=5e-5)
    assert said("slips", "two-points")[-1] == -1.386


def test_numbers_that_only_captions_say_are_those_of_the_curves():
    n = shown("divergences", "directions")
    near((n["other"], n["other_seek"]), (entropy_of(n["q_cover"], n["p"]), entropy_of(n["p"], n["q_seek"])))
    near(shown("divergences", "apart")["limit"], math.log(2))
    n = shown("mixtures", "staircase")
    near(n["gained"], n["low"][1] - n["low"][0])
    n = shown("mixtures", "collapse")
    assert n["steps"] == len(n["free_width"]) and n["held_end"] == n["held_total"][-1]
    n = shown("vae", "unused")
    near((n["best"], n["total"]), (n["closed"].max(), n["closed"].sum()), rtol=1e-9)
    n = shown("estimators", "gradients")
    near((n["narrow"], n["wide"]), (n["score"][0] / n["through"][0], n["through"][-1] / n["score"][-1]))
    n = shown("estimators", "funnel")
    k = np.arange(4001)
    near(n["last"], 2 * math.sqrt(0.21 / 4000))
    near(n["outside"], binom.pmf(k[abs(k / 4000 - 0.3) > n["last"]], 4000, 0.3).sum(), rtol=1e-9)
    n = shown("estimators", "too-low")
    near((n["one"], n["ten"], n["hundred"]), n["log_p"] - n["means"])
    n = shown("elbo", "bar")
    assert (n["first"], n["lost"]) == (n["elbo"][0], n["kl"][0]) and shown("flows", "edge")["u"] == -3
    near(shown("foundations", "table")["likely"], 1/2)
    near(shown("evaluation", "counterexamples")["most"], math.log(100))
    n = shown("hierarchical", "depth")
    dx = n["x"][1] - n["x"][0]
    near(n["truth"], -entropy_of(n["data"] * dx) - math.log(dx), rtol=1e-6, atol=1e-6)
