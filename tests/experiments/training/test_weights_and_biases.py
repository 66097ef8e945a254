"""Runs of Weights & Biases, without a network."""

import socket

import pytest
import wandb

from hirl_experiments.training import weights_and_biases
from hirl_experiments.training.weights_and_biases import start_wandb


@pytest.mark.slow
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
    monkeypatch.setattr(weights_and_biases, "_answers", lambda server: True)
    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(ValueError, match="Weights & Biases: the key is wrong; set WANDB_MODE=offline"):
        start_wandb("hirl", "name", tmp_path, {"seed": 0})


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["online", None])
def test_where_no_server_answers_it_is_offline_and_says_so(mode, tmp_path, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and listens to nobody
        server = f"http://127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("WANDB_BASE_URL", server)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.delenv("WANDB_MODE", raising=False)
        if mode is not None:
            monkeypatch.setenv("WANDB_MODE", mode)
        wandb.teardown()
        with pytest.warns(UserWarning, match=f"Weights & Biases at {server} is out of reach: logging offline"):
            run = start_wandb("hirl", "name", tmp_path, {"seed": 0})
    assert run.settings.mode == "offline"
    run.finish()
    wandb.teardown()


def test_a_server_that_keeps_silent_is_out_of_reach(monkeypatch):
    monkeypatch.setattr(weights_and_biases, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not weights_and_biases._answers(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_the_runs_of_a_sweep_are_a_group_and_keep_their_id_in_any_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    ids = []
    for folder, sweep_id in (("a", "1"), ("b", "1"), ("b", "2")):
        run = start_wandb("hirl", "0-0", tmp_path / folder, {"seed": 3, "sweep": {"name": "toy", "id": sweep_id}})
        ids.append(run.id)
        assert run.group == "toy"
        run.finish()
    assert ids[0] == ids[1] != ids[2]
