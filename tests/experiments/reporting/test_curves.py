from hirl_experiments.reporting.curves import common_steps


def test_curves_are_compared_where_all_have_been_measured():
    curves = [[{"step": step, **dict.fromkeys(("gain", "mild", "moderate", "severe"), step)} for step in steps]
              for steps in ((0, 100, 200), (0, 200, 300))]  # fmt: skip
    steps, gains = common_steps(curves, ("gain", "mild", "moderate", "severe"))
    assert steps == [0, 200]
    assert gains.shape == (2, 2, 4)
