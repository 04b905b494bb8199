"""The scoreboard: its figures are those of the definition, and what is asked of the models holds."""
import math

import numpy as np
import pytest

from scratch.cli import main
from scratch.models import MODELS
from scratch.runs import scoreboard
from scratch.runs.scoreboard import ROWS, Row, images, kl, play, seen, truth

QUICK = {name: row._replace(steps=min(row.steps, 20)) for name, row in ROWS.items()}


@pytest.fixture(scope="module")
def quick():
    return list(play(0, QUICK))


def test_the_truth_is_uniform_on_the_14_images():
    p = np.exp(truth())
    assert images().shape == (512, 9) and len(np.unique(images(), axis=0)) == 512
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
    assert main(["scoreboard", "--out", str(tmp_path / "board")]) == 0
    assert sorted(path.name for path in (tmp_path / "board").iterdir()) == ["scoreboard.md", "scoreboard.svg"]
    table = (tmp_path / "board" / "scoreboard.md").read_text().splitlines()[2:]
    names = [score.name for score in sorted(quick, key=lambda score: score.kl)]
    for line, name in zip(table, names, strict=True):
        score, = (s for s in quick if s.name == name)
        cells  = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[0].startswith(f"{name} (`{score.row.model}`") and cells[1] == f"{score.kl:.2g}"
        assert math.isclose(float(cells[3]), np.exp(score.log_q)[seen()].sum(), abs_tol=1e-6)
    assert all(f">{name}<" in (tmp_path / "board" / "scoreboard.svg").read_text() for name in names)
    assert "nats from the truth" in capsys.readouterr().out


def test_what_is_there_is_kept_and_where_it_fails_nothing_is_left(tmp_path, monkeypatch, capsys):
    (tmp_path / "board").mkdir()
    assert main(["scoreboard", "--out", str(tmp_path / "board")]) == 2
    assert "exists already; choose another --out" in capsys.readouterr().err
    assert main(["scoreboard", "--out", str(tmp_path / "none" / "board")]) == 2
    assert "cannot be written" in capsys.readouterr().err

    def interrupted(seed):
        raise KeyboardInterrupt
        yield
    monkeypatch.setattr(scoreboard, "play", interrupted)
    assert main(["scoreboard", "--out", str(tmp_path / "other")]) == 130 and not (tmp_path / "other").exists()


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.most < math.inf])
def test_what_is_asked_of_the_models_holds(name):
    score, = play(0, {name: ROWS[name]})
    assert score.kl <= score.row.most


def test_a_model_that_breaks_down_says_so(capsys):
    with pytest.raises(ValueError, match="broke down at step"):
        list(play(0, {"VAE": Row("vae", "", 50, dict(latent=2, hidden=(8,), decoder="bernoulli", lr=1e30, clip=0.0))}))
