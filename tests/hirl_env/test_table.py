"""A tiny table, and the environment over it: equal to the live one, and what is best in it."""

import copy
import itertools
import json
import pickle
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from hirl_env import Restoration, Rules, Toolset, degradations, measures
from hirl_env.data.samples import Samples
from hirl_env.table import SPEC, open_table
from hirl_env.tabulate import spec_of, tabulate

ID = "HIRL-RestoreTable-v0"
COUNT, SIDE, DEPTH = 5, 16, 3
PRICE = 2000.0  # dB per GFLOP: tools on small images cost little


@pytest.fixture
def crops(pictures):
    """The same crops each time they are asked for."""
    source = Samples(pictures, degradations.resolve("mild"), SIDE)
    return lambda: [source.draw(np.random.default_rng(number)) for number in range(COUNT)]


@pytest.fixture
def make(crops, costly_toolset, tmp_path, monkeypatch):
    """Makes a table, two crops at a time."""
    monkeypatch.setattr("hirl_env.tabulate.PIXELS", 2 * SIDE**2)
    restoration = Restoration(costly_toolset, measures.resolve("psnr"))

    def made(name="table", samples=None, depth=DEPTH, observed=DEPTH, count=COUNT):
        spec = spec_of(restoration, count, SIDE, depth, observed, {"suite": "toy"})
        return tabulate(crops() if samples is None else samples, restoration, spec, tmp_path / name)

    return made


@pytest.fixture
def table(make):
    return make()


def live(costly_toolset, **arguments):
    return gym.make("HIRL-Restore-v0", toolset=costly_toolset, crop_size=SIDE, **{"max_steps": DEPTH, **arguments})


VARIANTS = (
    {},
    {"reward": f"psnr - {PRICE}*cost", "full_feedback": True},
    {"stop": "no_gain", "stop_action": True, "observe_start": True, "observe_tool": True},
    {"stop": "below_start", "max_steps": 2, "string_infos": True},
    {"flat": True, "stop_action": True, "mask_useless": True},
)


@pytest.mark.parametrize("arguments", VARIANTS)
def test_it_equals_the_live_environment_step_by_step(table, costly_toolset, arguments):
    dead, alive = (
        gym.make(ID, table=str(table.folder), **arguments).unwrapped,
        live(costly_toolset, **arguments).unwrapped,
    )
    assert dead.action_space == alive.action_space
    assert dead.observation_space == alive.observation_space
    dead.action_space.seed(0)
    for number in range(COUNT):
        one = dead.reset(options={"sample": number})
        crops = {name: getattr(table, f"{name}s")[number].transpose(1, 2, 0) for name in ("image", "reference")}
        other = alive.reset(options={name: (crop * 255).round().astype(np.uint8) for name, crop in crops.items()})
        assert_equal(one, other)
        over = False
        while not over:
            action = dead.action_space.sample()
            one, other = dead.step(action), alive.step(action)
            assert one[1] == pytest.approx(other[1], abs=1e-4)
            assert one[2:4] == other[2:4]
            assert_equal((one[0], one[4]), (other[0], other[4]))
            over = one[2] or one[3]
            if arguments.get("flat"):
                assert np.array_equal(dead.action_masks(), alive.action_masks())


def assert_equal(one, other):
    assert np.abs(one[0].astype(int) - other[0]).max() <= 1
    told = {key: value for key, value in one[1].items() if key != "regret"}
    assert told.keys() == other[1].keys()
    for key, value in told.items():
        if key not in ("photograph", "degradation", "level"):  # a given picture has none
            assert type(value) is type(other[1][key])
            assert np.array_equal(value, other[1][key]) or np.allclose(value, other[1][key], atol=1e-4), key


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_the_vector_environment_equals_sync_vector_env(table, mode):
    arguments = {"table": str(table.folder), "stop_action": True, "string_infos": True, "max_steps": 2}
    native = gym.make_vec(ID, 4, autoreset_mode=mode, **arguments)
    sync = gym.make_vec(ID, 4, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **arguments)
    (seen, told), (also_seen, also_told) = native.reset(seed=3), sync.reset(seed=3)
    native.action_space.seed(0)
    for _ in range(8):
        assert np.array_equal(seen, also_seen)
        assert told.keys() == also_told.keys()
        assert all(np.array_equal(told[key], also_told[key]) for key in ("regret", "score", "path", "photograph"))
        actions = native.action_space.sample()
        (seen, *one, told), (also_seen, *other, also_told) = native.step(actions), sync.step(actions)
        assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))
        if mode == AutoresetMode.DISABLED and (over := one[1] | one[2]).any():
            seen, told = native.reset(options={"reset_mask": over})
            also_seen, also_told = sync.reset(options={"reset_mask": over})


def test_gymnasiums_checker_has_nothing_to_say(table):
    check_env(gym.make(ID, table=str(table.folder), render_mode="rgb_array").unwrapped, skip_render_check=True)


RULES = (
    Rules(DEPTH),
    Rules(2, stop_action=True),
    Rules(DEPTH, stop="no_gain"),
    Rules(DEPTH, stop="below_start", stop_action=True),
)


@pytest.mark.parametrize("rules", RULES)
def test_the_plan_is_the_best_of_all_paths_tried_one_by_one(table, costly_toolset, rules):
    plan = table.plan(rules, PRICE)
    root = Restoration(costly_toolset, measures.resolve("psnr"), rules, price=PRICE)
    root.begin(torch.from_numpy(np.array(table.images)), torch.from_numpy(np.array(table.references)))
    cells = [*costly_toolset.cells, *([(2, 0)] if rules.stop_action else [])]
    best = np.full(COUNT, -np.inf)
    for path in itertools.product(cells, repeat=rules.max_steps):
        branch, total = root.branch(), np.zeros(COUNT)
        for cell in path:
            rows = np.flatnonzero(~branch.state.ended)
            if len(rows):
                total[rows] += branch.step(np.broadcast_to(cell, (len(rows), 2)), rows).gains
        best = np.maximum(best, total)
    assert plan.values[:, 0] == pytest.approx(best, abs=1e-4)
    assert plan.q.shape == (COUNT, table.spec.nodes(rules.max_steps - 1), 4)


def test_who_follows_the_plan_has_no_regret_and_who_does_not_has_all_of_it(table):
    env = gym.make_vec(ID, COUNT, table=table, reward=f"psnr - {PRICE}*cost", autoreset_mode="Disabled").unwrapped
    plan, rng = table.plan(Rules(DEPTH), PRICE), np.random.default_rng(0)
    for follows in (True, False):
        _, told = env.reset(seed=1)
        crops, returns = env.task.restoration.nodes_of(env.task.restoration.state)[0], np.zeros(COUNT)
        assert not told["regret"].any()
        for _ in range(DEPTH):
            nodes = env.task.restoration.nodes_of(env.task.restoration.state)
            tools = plan.q[nodes].argmax(axis=1) if follows else rng.integers(4, size=COUNT)
            _, rewards, *_, told = env.step(np.stack(np.divmod(tools, 2), axis=1))
            returns += rewards
        assert told["regret"] == pytest.approx(plan.values[crops, 0] - returns)
        assert (told["regret"] < 1e-9).all() == follows


def test_a_node_is_where_its_path_leads(table):
    assert [table.node(path) for path in ((), (0,), (3,), (0, 0), (3, 1))] == [0, 1, 4, 5, 18]
    assert table.spec.nodes(DEPTH) == 1 + 4 + 16 + 64
    layer = 2 * 81 * SIDE**2 / 1e9
    assert table.costs[[0, 1, 4, 5, table.node((2, 2, 1))]] == pytest.approx(np.array([0, 1, 0, 2, 5]) * layer)


def test_an_interrupted_table_goes_on_where_it_was(make, crops, monkeypatch):
    whole = make("whole")

    def interrupted():
        yield from crops()[:4]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(samples=interrupted())
    with pytest.raises(ValueError, match="the table is unfinished; the same hirl tabulate command goes on with it"):
        open_table(whole.folder.with_name("table"))
    runs = []
    apply = Toolset.apply
    monkeypatch.setattr(
        Toolset, "apply", lambda self, images, *rest: runs.append(len(images)) or apply(self, images, *rest)
    )
    resumed = make()
    assert set(runs) == {1}, "only the last crop is left"
    for name in ("scores", "psnr", "observations", "images", "references"):
        assert np.array_equal(getattr(resumed, name), getattr(whole, name))
    runs.clear()
    assert make().spec == resumed.spec == replace(whole.spec)
    assert not runs


def test_an_interrupt_loses_no_more_than_the_last_tools_of_a_path(make, monkeypatch):
    whole = make("whole")
    apply, allowed, runs = Toolset.apply, 30, []

    def interrupted(self, *arguments):
        if len(runs) == allowed:
            raise KeyboardInterrupt
        runs.append(1)
        return apply(self, *arguments)

    monkeypatch.setattr(Toolset, "apply", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make()
    allowed = len(runs) + 1000
    resumed = make()
    needed = 3 * 84  # batches, and the paths of one
    assert needed <= len(runs) <= needed + DEPTH + 4, "the path to where it was, and the tools that end it"
    for name in ("scores", "psnr", "observations", "images", "references"):
        assert np.array_equal(getattr(resumed, name), getattr(whole, name))
    assert not list(resumed.folder.glob("finished*"))


def test_observations_are_kept_as_deep_as_asked_for(make):
    table = make(depth=3, observed=1)
    assert table.observations.shape == (COUNT, 5, SIDE, SIDE, 3)
    assert gym.make(ID, table=table).unwrapped.config.max_steps == 1
    assert table.plan().values.shape == (COUNT, 85)
    with pytest.raises(ValueError, match=r"max_steps must be 1 to 1, got 2: .* tabulate --observed"):
        gym.make(ID, table=table, max_steps=2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"toolset": "hirl"}, TypeError, "unexpected keyword argument 'toolset': the table decides on it"),
        ({"nonsense": 1}, TypeError, "unexpected keyword argument 'nonsense'"),
        ({"reward": "ssim"}, ValueError, "scores psnr, and the reward is of ssim; make a table with"),
        ({"max_steps": 4}, ValueError, "max_steps must be 1 to 3, got 4"),
        ({"max_steps": None}, ValueError, "max_steps must be 1 to 3, got None"),
        ({"stop": "no_change"}, ValueError, "a table has no images to see changes in"),
        ({"flat": "no"}, ValueError, "flat must be True or False, got 'no'"),
        ({"stop_action": "false"}, ValueError, "stop_action must be True or False, got 'false'"),
    ],
)
def test_what_a_table_cannot_do_is_refused(table, arguments, error, message):
    with pytest.raises(error, match=message):
        gym.make(ID, table=table, **arguments)


def test_wrong_crops_are_refused(table, make, crops):
    env = gym.make(ID, table=table)
    for options in ({"sample": COUNT}, {"sample": -1}, {"sample": "1"}, {"image": 1}):
        with pytest.raises(ValueError, match="reset takes the option 'sample', 0 to 4"):
            env.reset(options=options)
    with pytest.raises(ValueError, match="holds another table already"):
        make(depth=2, observed=2)
    with pytest.raises(ValueError, match="other than 6 crops"):
        make("more", count=6)
    with pytest.raises(ValueError, match="other than 4 crops"):
        make("less", count=4)


def test_what_is_no_table_is_refused(table, tmp_path):
    with pytest.raises(ValueError, match="nothing: no table that hirl tabulate wrote"):
        open_table(tmp_path / "nothing")
    content = json.loads((table.folder / SPEC).read_text())
    (table.folder / SPEC).write_text(json.dumps(content | {"depth": 2}))
    with pytest.raises(ValueError, match=r"scores.npy is float64 \(5, 85\), not float64 \(5, 21\); tabulate again"):
        open_table(table.folder)
    (table.folder / "psnr.npy").unlink()
    (table.folder / SPEC).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"psnr.npy is missing or damaged"):
        open_table(table.folder)


def test_copies_share_the_table_and_processes_open_its_files(table, monkeypatch):
    env = gym.make(ID, table=table)
    assert copy.deepcopy(env).unwrapped.task.table is table
    assert env.spec.kwargs["table"] is table
    monkeypatch.chdir(table.folder.parent)
    sent = pickle.dumps(open_table(table.folder.name))
    assert len(sent) < 1000
    monkeypatch.chdir("/")
    assert np.array_equal(pickle.loads(sent).scores, table.scores)


def test_a_restoration_that_stops_early_makes_the_same_table(make, table, crops, costly_toolset, tmp_path):
    stopping = Restoration(costly_toolset, measures.resolve("psnr"), Rules(stop="no_gain", max_steps=1))
    spec = spec_of(stopping, COUNT, SIDE, DEPTH, DEPTH, {"suite": "toy"})
    assert np.array_equal(tabulate(crops(), stopping, spec, tmp_path / "other").scores, table.scores)


def test_a_table_must_fit_on_the_disk(make, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(OSError, match=r"the table takes 0.0 GB, and 0.0 GB are free"):
        make()
