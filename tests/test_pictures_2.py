"""Laws of the pictures of hierarchies, games, diffusion, evaluation, chains, flows and slips: closed forms, and other
ways to the same numbers."""
import functools
import importlib
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.special import erf, expit
from scipy.stats import chi

from derivations import gan, hierarchical
from derivations.book.pictures import of
from derivations.engine.worlds import Sample
from scratch.diffusion.schedules import cosine, schedule

PAGES = {topic: importlib.import_module(f"derivations.book.pictures.{topic}")
         for topic in "hierarchical gan diffusion evaluation autoregressive flows slips".split()}


@functools.cache
def shown(topic, name):
    return next(p for p in of(topic) if p.name == name).numbers()


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


def test_precision_and_recall_are_those_of_modes_far_apart():
    s, z = shown("evaluation", "precision-recall"), 1.959964
    mass = lambda r: erf(r / np.sqrt(2))
    inside, beyond, apart = mass(z / s["taus"]), mass(z * s["taus"]), s["taus"] < 2.5
    np.testing.assert_allclose(s["fewer"].T, [[0.95] * 8, 0.95 * np.arange(8, 0, -1) / 8], atol=0.01)
    np.testing.assert_allclose(s["narrower"].T, [beyond, inside], atol=0.02)
    np.testing.assert_allclose(s["wider"][apart].T, [inside[apart], beyond[apart]], atol=0.02)
    assert (np.diff(s["wider"][:, 0]) < 0).all()


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
