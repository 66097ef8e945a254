"""The Hub, against a server of the test's own; another process is the client, as HF_ENDPOINT is read when it starts."""

import os
import subprocess
import sys

import pytest
import torch

from hirl_agents.networks import TwoLevelQ, save_q
from tests.agents.hub_server import serving

pytest.importorskip("huggingface_hub", reason="the extra hub is not installed")

CLIENT = """
import numpy as np
from hirl_agents.hub import from_hub, save_to_hub
from hirl_agents.restorer import Restorer

def refused(call, *arguments):
    try:
        call(*arguments)
    except ValueError as error:
        print("refused:", error)

print(save_to_hub("nine.safetensors", "me/named", "paper", private=True))
print(from_hub("me/named").toolset)
save_to_hub("best.safetensors", "me/own", "toolset.yaml")
agent, toolset = from_hub("me/own", trust=True)
print(Restorer(agent, toolset).restore(np.zeros((20, 24, 3), np.uint8)).image.shape)
refused(save_to_hub, "tool.safetensors", "me/tool")
refused(save_to_hub, "best.safetensors", "me/named", "no-such-toolset")
refused(save_to_hub, "best.safetensors", "me/named", "outside.yaml")
refused(save_to_hub, "best.safetensors", "no//name", "toolset.yaml")
refused(from_hub, "me/absent")
refused(from_hub, "me/foreign")
refused(from_hub, "me/hostile")
refused(from_hub, "me/own")
refused(from_hub, "me/elsewhere")
refused(from_hub, "me/path")
refused(save_to_hub, "best.safetensors", "me/misfit", "paper")
refused(save_to_hub, "best.safetensors", "me/short", "a=paper:dejpeg-0,paper:dejpeg-1;b=paper:deblur-0,paper:deblur-1")
refused(save_to_hub, "best.safetensors", "me/linked", "linked.yaml")
"""


@pytest.mark.slow
def test_an_agent_goes_to_the_hub_and_comes_back_with_its_tools(tmp_path):
    from hirl_env.weights import save_weights

    torch.manual_seed(0)
    save_q(TwoLevelQ(2, 2, width=8), tmp_path / "best.safetensors")
    save_q(TwoLevelQ(3, 3, width=8), tmp_path / "nine.safetensors")
    (tmp_path / "nine.md").write_text("# mine\n\nTrained in a test.\n")
    save_weights(torch.nn.Conv2d(3, 3, 1), tmp_path / "tool.safetensors")
    rows = '[{function: "torch:sin"}, {function: "torch:square"}]\nlighten: [{function: "torch:erf"}, '
    (tmp_path / "toolset.yaml").write_text(f'darken: {rows}{{function: "torch:sqrt"}}]\n')
    (tmp_path / "outside.yaml").write_text("a: [{network: ../elsewhere.pth}]\n")
    linked = 'a: [{tool: "toolset.yaml:darken-0"}, {tool: "toolset.yaml:darken-1"}]\n'
    (tmp_path / "linked.yaml").write_text(linked + linked.replace("a:", "b:").replace("darken", "lighten"))
    place = {"HOME": str(tmp_path), "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": "hf_test"}
    with serving() as hub:
        card = "---\nhirl_restore: {files: [agent.safetensors, ../../../../escaped], toolset: hirl}\n---\n"
        hub.repositories["me/foreign"] = {"README.md": b"# another library's\n"}
        hub.repositories["me/hostile"] = {"README.md": card.encode(), "agent.safetensors": b"", "escaped": b""}
        elsewhere = {
            "README.md": card.replace("../../../../escaped", "toolset.yaml").encode(),
            "agent.safetensors": b"",
        }
        hub.repositories["me/elsewhere"] = elsewhere | {"toolset.yaml": b'a: [{tool: "other.yaml:darken-0"}]'}
        path = card.replace(", ../../../../escaped", "").replace("hirl}", "other.yaml}")
        hub.repositories["me/path"] = {"README.md": path.encode(), "agent.safetensors": b""}
        ran = subprocess.run(
            [sys.executable, "-c", CLIENT],
            env={**os.environ, **place, "HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    address, toolset, shape, *refused = ran.stdout.splitlines()
    assert address.startswith(hub.address)
    assert (toolset, shape) == ("paper", "(20, 24, 3)")
    for line, says in zip(
        refused,
        [
            "tool.safetensors holds no agent",
            "unknown toolset 'no-such-toolset'",
            "its networks must lie beside it",
            "no//name",
            "me/absent: 404",
            "me/foreign: its card names no agent",
            "me/hostile: ",
            "me/own: toolset.yaml runs torch:sin; read it, then give trust=True",
            "me/elsewhere: toolset.yaml names a tool of 'other.yaml'",
            "me/path: its toolset 'other.yaml' has no name here",
            "2 types x 2 degrees, and the toolset has 3 x 3",
            "has no name elsewhere: describe it in a toolset file",
            "linked.yaml names a tool of 'toolset.yaml'",
        ],
        strict=True,
    ):
        assert says in line
    asked = hub.made[0]  # by one name up to huggingface_hub 1, by another since
    assert asked.get("private") is True or asked.get("visibility") == "private"
    named, own = hub.repositories["me/named"], hub.repositories["me/own"]
    assert set(named) == {"README.md", "agent.safetensors"}
    assert set(own) == {"README.md", "agent.safetensors", "toolset.yaml"}
    assert own["agent.safetensors"] == (tmp_path / "best.safetensors").read_bytes()
    card = named["README.md"].decode()
    assert "library_name: hirl-restore" in card
    assert "Trained in a test." in card
    assert 'from_hub("me/named")' in card
    assert not list(tmp_path.rglob("escaped"))
