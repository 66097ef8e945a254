from hirl_experiments.training.callbacks.best_model import BestModel
from hirl_experiments.training.config import TrainConfig
from hirl_experiments.training.csv_log import CsvLog


def test_of_equal_gains_the_best_is_the_first_whose_model_was_kept(toy_toolset, tmp_path):
    curve = CsvLog(tmp_path / "evaluation.csv")
    for step, gain in ((0, 0.0), (100, 1.5), (200, 1.5), (300, 1.0)):
        curve.write({"step": step, "gain": gain, "mild": gain, "trials": 1.0})
    assert BestModel(TrainConfig(), tmp_path, toy_toolset, curve).step() == 100
