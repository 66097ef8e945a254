from hirl_experiments.reporting.curves import common_steps, summary


def test_curves_are_compared_where_all_have_been_measured():
    curves = [[{"step": step, **dict.fromkeys(("gain", "mild", "moderate", "severe"), step)} for step in steps]
              for steps in ((0, 100, 200), (0, 200, 300))]  # fmt: skip
    steps, gains = common_steps(curves, ("gain", "mild", "moderate", "severe"))
    assert steps == [0, 200]
    assert gains.shape == (2, 2, 4)


def test_no_seed_is_better_by_what_it_learned_after_the_others_had_ended():
    curves = [[{"step": step, "gain": step / 100} for step in (0, 100, *later)] for later in ((), (200, 300))]
    row = summary("hirl", curves)
    assert (row["step"], row["best"], row["last"], row["spread"]) == (100, 1, 1, 0)


def test_a_seed_far_off_counts_for_little():
    curves = [[{"step": 100, "gain": gain}] for gain in (-9.0, 1.0, 1.5, 2.0, 2.5)]
    row = summary("hirl", curves)
    assert row["last"] == 1.5
    assert row["last low"] < row["last"] < row["last high"] <= 2.5
    assert summary("hirl", curves[1:4])["last"] == 1.5, "of three, the mean of all"
