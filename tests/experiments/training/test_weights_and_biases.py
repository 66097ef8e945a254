"""Runs of Weights & Biases, without a network."""

import pytest
import wandb

from hirl_experiments.training.weights_and_biases import start_wandb


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


def test_the_runs_of_a_sweep_are_a_group_and_keep_their_id_in_any_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    ids = []
    for folder, sweep_id in (("a", "1"), ("b", "1"), ("b", "2")):
        run = start_wandb("hirl", "0-0", tmp_path / folder, {"seed": 3, "sweep": {"name": "toy", "id": sweep_id}})
        ids.append(run.id)
        assert run.group == "toy"
        run.finish()
    assert ids[0] == ids[1] != ids[2]
