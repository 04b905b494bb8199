"""The scoreboard: its figures are those of the definition, and what is asked of the models holds."""
import math
import re

import numpy as np
import pytest

from scratch.cli import main
from scratch.models import MODELS
from scratch.runs import scoreboard
from scratch.runs.scoreboard import ROWS, Row, Score, images, kl, play, seen, truth

QUICK = {name: row._replace(steps=min(row.steps, 20)) for name, row in ROWS.items()}


@pytest.fixture(scope="module")
def quick():
    return list(play(0, QUICK))


def test_the_truth_is_uniform_on_the_14_images():
    p = np.exp(truth())
    assert (images() @ (1 << np.arange(9)[::-1])).tolist() == list(range(512))           # in the order of numbers
    assert seen().sum() == 14 and np.allclose(p[seen()], 1 / 14, rtol=1e-15) and p[~seen()].sum() == 0


def test_the_distance_is_that_of_the_definition():
    rng = np.random.default_rng(0)
    q   = rng.dirichlet(np.ones(512))
    p   = np.exp(truth())
    assert math.isclose(kl(np.log(q)), sum(p_x * math.log(p_x / q_x) for p_x, q_x in zip(p, q) if p_x), rel_tol=1e-13)
    assert kl(truth()) == 0 and math.isclose(kl(np.full(512, -9 * math.log(2))), math.log(512 / 14), rel_tol=1e-14)


def test_independent_pixels_are_as_far_as_their_formula_says():
    """Every pixel is 1 in half of the images."""
    score, = play(0, {"": ROWS["Independent pixels"]})
    assert math.isclose(score.kl, 9 * math.log(2) - math.log(14), rel_tol=1e-9) and score.parameters == 10


def test_a_row_is_played_for_its_steps_from_its_seed_on_and_judged_by_the_average_of_its_weights():
    def log_q(seed=0, steps=9, ema=0.9):
        return next(play(seed, {"": Row("made", "", steps, dict(hidden=(4,), lr=0.05, ema=ema))})).log_q
    first = log_q()
    assert np.array_equal(log_q(), first)
    assert not any(np.allclose(log_q(**other), first) for other in (dict(seed=1), dict(steps=8), dict(ema=0.0)))


def test_table_and_picture_stand_in_the_order_of_their_distances_and_the_table_says_what_was_asked():
    """The picture from below."""
    laws   = (("b", 0.25, np.log(np.random.default_rng(0).dirichlet(np.ones(512)))), ("a", math.inf, truth()),
              ("c", 1.0, np.full(512, -9 * math.log(2))))
    scores = [Score(name, Row("made", "a law", 9, {}, most), log_q, kl(log_q), 7, 9, 1.5) for name, most, log_q in laws]
    assert scores[1].kl < scores[2].kl < scores[0].kl
    rows = [[cell.strip() for cell in line.split("|")] for line in scoreboard.table(scores).splitlines()[2:]]
    assert [(row[1][0], row[3]) for row in rows] == [("a", ""), ("c", "1"), ("b", "0.25")]
    assert re.findall(r">([abc])<", scoreboard.picture(scores)) == ["b", "c", "a"]


def test_every_row_has_a_law_and_none_is_nearer_than_the_truth(quick):
    for score in quick:
        total = np.exp(score.log_q).sum()
        assert abs(total - 1) <= 1e-9 and score.log_q.shape == (512,), (score.name, total)
        assert score.kl >= 0 and score.log_q.dtype == "float64" and score.parameters > 0


def test_every_class_of_models_of_bits_takes_part():
    """All that have an exact law of bits, and the VAE."""
    fields = {entry.model: set(entry.model.__dataclass_fields__) for entry in MODELS.values()}
    assert {MODELS[row.model].model for row in ROWS.values()} == {
        model for model, has in fields.items() if has & {"binarise", "codes"} or model.__name__ == "PixelCNN"}


def test_the_command_writes_one_table_and_one_picture(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scoreboard, "play", lambda seed: iter(quick))
    assert main(["scoreboard", "--out", str(tmp_path / "board")]) == 1
    far, (said, errors) = [score for score in quick if score.kl > score.row.most], capsys.readouterr()
    assert far and all(f"{s.name} is {s.kl:.3g} nats away, where {s.row.most:g} are promised" in errors for s in far)
    assert "nats from the truth" in said
    assert sorted(path.name for path in (tmp_path / "board").iterdir()) == ["scoreboard.md", "scoreboard.svg"]
    table = (tmp_path / "board" / "scoreboard.md").read_text().splitlines()[2:]
    names = [score.name for score in sorted(quick, key=lambda score: score.kl)]
    for line, name in zip(table, names, strict=True):
        score, = (s for s in quick if s.name == name)
        cells  = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[0].startswith(f"{name} (`{score.row.model}`") and cells[1] == f"{score.kl:.2g}"
        assert math.isclose(float(cells[3]), np.exp(score.log_q)[seen()].sum(), abs_tol=1e-6)
    picture = (tmp_path / "board" / "scoreboard.svg").read_text()
    assert all(f">{name}<" in picture for name in names) and "mathdefault" not in picture
    monkeypatch.setattr(scoreboard, "play", lambda seed: iter([quick[0]]))
    assert main(["scoreboard", "--out", str(tmp_path / "near")]) == 0


@pytest.mark.parametrize("log_q", [np.zeros(512), np.full((1, 512), -7.0), [-7.0] * 511, np.full(512, np.nan)])
def test_what_are_no_512_probabilities_is_refused(log_q):
    with pytest.raises(ValueError, match="^log_q has shape .* and the sum of q is .*; expected the logarithms of 512"):
        kl(log_q)
    assert kl([-7.0] * 512) == pytest.approx(7 - math.log(14))


def test_what_is_there_is_kept_and_what_was_played_before_it_fails(quick, tmp_path, monkeypatch, capsys):
    (tmp_path / "board").mkdir()
    assert main(["scoreboard", "--out", str(tmp_path / "board")]) == 2
    assert "exists already; choose another --out" in capsys.readouterr().err
    assert main(["scoreboard", "--out", str(tmp_path / "none" / "board")]) == 2
    assert "cannot be written" in capsys.readouterr().err

    def interrupted(seed, after):
        yield from quick[:after]
        raise KeyboardInterrupt
    for after, left in ((0, False), (2, True)):
        monkeypatch.setattr(scoreboard, "play", lambda seed: interrupted(seed, after))
        assert main(["scoreboard", "--out", str(tmp_path / "other")]) == 130
        assert (tmp_path / "other" / "scoreboard.md").exists() == left


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (row.model == "vae"))
                                  for name, row in ROWS.items() if row.most < math.inf])
def test_what_is_asked_of_the_models_holds(name):
    score, = play(0, {name: ROWS[name]})
    assert score.kl <= score.row.most


def test_a_model_that_breaks_down_says_so():
    with pytest.raises(ValueError, match="broke down at step"):
        list(play(0, {"VAE": Row("vae", "", 50, dict(latent=2, hidden=(8,), decoder="bernoulli", lr=1e30, clip=0.0))}))
