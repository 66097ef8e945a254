import pytest
import wandb

from experiments.tracking import CsvLog, start_wandb


def test_wandb_mode_is_honoured_however_late_it_is_set(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    wandb.setup()  # from here on, wandb itself looks at the environment no more
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = start_wandb("hirl", "name", tmp_path, {"seed": 0})
    assert run.settings.mode == "offline"
    run.finish()


def test_weights_and_biases_is_offline_where_nobody_is_logged_in(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    run = start_wandb("hirl", "name", tmp_path, {"seed": 0})
    assert run.settings.mode == "offline"
    run.finish()


def test_what_weights_and_biases_refuses_is_said_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "ofline")
    with pytest.raises(ValueError, match=r"WANDB_MODE must be one of .*, got 'ofline'; set WANDB_MODE=offline"):
        start_wandb("hirl", "name", tmp_path, {"seed": 0})

    def refuse(**_):
        raise wandb.errors.AuthenticationError("the key is wrong")

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(ValueError, match="Weights & Biases: the key is wrong; set WANDB_MODE=offline"):
        start_wandb("hirl", "name", tmp_path, {"seed": 0})


def test_a_row_that_was_cut_off_is_not_read(tmp_path):
    log = CsvLog(tmp_path / "log.csv")
    for step in (0, 1):
        log.write({"step": step, "gain": 12.5})
    log.path.write_bytes(log.path.read_bytes()[:-4])
    assert log.read() == [{"step": "0", "gain": "12.5"}]
    log.rewrite(log.read())
    log.write({"step": 1, "gain": 13.0})
    assert [row["gain"] for row in log.read()] == ["12.5", "13.0"]
