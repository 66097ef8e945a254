"""PaQ-2-PiQ: the published architecture, and fetching its weights from a server of ours."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from torchvision.ops import roi_pool

from hirl_env.quality import BlindNetwork, PaQ2PiQ, load_paq2piq, measures, paq2piq
from hirl_env.quality.paq2piq import NAME
from hirl_env.quality.registry import _paq2piq


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = PaQ2PiQ()
    for module in made.modules():  # not the identity that a new batch norm is
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return made.eval()


@pytest.fixture(scope="module")
def checkpoint(network, tmp_path_factory):
    """A checkpoint as fastai 1 wrote it under PyTorch 1.4 and NumPy 1: pickles in a row, the optimiser too."""
    path = tmp_path_factory.mktemp("weights") / "made.pth"
    rates = {"param_groups": [{"lr": np.float64(0.001), "params": [0]}]}
    torch.save({"model": network.state_dict(), "opt": rates}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert b"multiarray\nscalar" in content
    path.write_bytes(content.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no measure that remembers another."""
    monkeypatch.setenv("HIRL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    _paq2piq.cache_clear()
    yield tmp_path / "cache"
    _paq2piq.cache_clear()


@contextmanager
def served(monkeypatch, content, announced=None, status=200):
    """A server on this machine in the place of the authors'; yields the list of paths that it was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            if announced is not None:
                self.send_header("Content-Length", str(announced))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(paq2piq, "URL", f"http://127.0.0.1:{server.server_port}/v1.0/{NAME}")
    try:
        yield asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def left_in(folder):
    return [path.name for path in folder.iterdir()] if folder.exists() else []


class TestArchitecture:
    def test_it_is_the_published_one(self, network):
        assert sum(parameter.numel() for parameter in network.parameters()) == 11_704_897
        assert sum(parameter.numel() for parameter in network.body.parameters()) == 11_176_512
        # The names in the authors' repository: children of torchvision's ResNet-18, and of the head, by number.
        names = list(network.state_dict())
        assert names[0] == "body.0.weight"
        assert {"body.4.0.conv1.weight", "body.7.1.bn2.running_var", "body.5.0.downsample.0.weight"} < set(names)
        heads = {name.rsplit(".", 1)[0] for name in names if name.startswith("head")}
        assert heads == {"head.2", "head.4", "head.6", "head.8"}

    @torch.no_grad()
    def test_a_score_by_hand(self, network):
        image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
        features = network.body(image)
        assert features.shape == (1, 512, 2, 2)
        # The region ends on cell 2, which is counted and not there: bins of 1.5 cells, the first over both that are.
        pooled = features.clone()
        pooled[..., 0, 0] = features.amax((2, 3))
        pooled[..., 0, 1] = features[..., :, 1].amax(2)
        pooled[..., 1, 0] = features[..., 1, :].amax(2)
        head = network.head
        wide = head[2](torch.cat([pooled.amax((2, 3)), pooled.mean((2, 3))], dim=1))
        expected = head[8](head[6](torch.relu(head[4](wide))))
        assert torch.allclose(network(image), expected[:, 0], atol=1e-5)

    @torch.no_grad()
    def test_a_batch_of_any_size_is_its_images_one_by_one(self, network):
        images = torch.rand(3, 3, 45, 71, generator=torch.Generator().manual_seed(2))
        assert network(images).shape == (3,)
        assert network.quality_map(images).shape == (3, 20, 20)
        for whole in (network, network.quality_map):
            alone = torch.cat([whole(image[None]) for image in images])
            assert torch.allclose(whole(images), alone, atol=1e-5)

    @torch.no_grad()
    def test_blocks_of_the_map_lie_row_by_row(self, network):
        images = torch.rand(2, 3, 320, 160, generator=torch.Generator().manual_seed(3))
        quality = network.quality_map(images)
        features = network.body(images)
        for row, column in ((0, 0), (0, 19), (13, 4), (19, 19)):
            box = [1, column * 8, row * 16, (column + 1) * 8, (row + 1) * 16]
            pooled = roi_pool(features, torch.tensor([box], dtype=torch.float32), (2, 2), 1 / 32)
            assert quality[1, row, column].item() == pytest.approx(network.head(pooled).item(), abs=1e-5)


class TestWeights:
    def test_the_authors_checkpoint_is_read(self, network, checkpoint):
        generator = torch.random.get_rng_state()
        loaded = load_paq2piq(checkpoint)
        assert torch.equal(torch.random.get_rng_state(), generator)
        assert not loaded.training
        images = torch.rand(1, 3, 40, 40)
        with torch.no_grad():
            assert torch.equal(loaded(images), network(images))

    def test_no_file(self, tmp_path):
        with pytest.raises(ValueError, match=r"none\.pth: No such file or directory; download them from https://git"):
            load_paq2piq(tmp_path / "none.pth")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"model": {"body.0.bias": torch.zeros(64)}}, "made for another network .* 'body.0.bias' for one"),
            ({"model": {"body.0.weight": 3}}, "made for another network .* 'body.0.weight' for one"),
            ({"state_dict": {}}, "has its weights under 'model'"),
            ([1, 2], "has its weights under 'model'"),
        ],
    )
    def test_a_checkpoint_of_something_else(self, content, message, tmp_path):
        torch.save(content, tmp_path / "other.pth")
        with pytest.raises(ValueError, match=rf"other\.pth: .*{message}"):
            load_paq2piq(tmp_path / "other.pth")

    def test_a_tensor_of_another_shape(self, network, tmp_path):
        state = network.state_dict() | {"head.8.weight": torch.zeros(2, 512)}
        torch.save({"model": state}, tmp_path / "wide.pth")
        with pytest.raises(ValueError, match=r"1 of its tensors .* 'head\.8\.weight' for one"):
            load_paq2piq(tmp_path / "wide.pth")

    @pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04 no archive"])
    def test_no_checkpoint_at_all(self, content, tmp_path):
        (tmp_path / "page.pth").write_bytes(content)
        with pytest.raises(ValueError, match=r"page\.pth: not a whole PyTorch checkpoint") as refused:
            load_paq2piq(tmp_path / "page.pth")
        assert len(str(refused.value).splitlines()) == 1

    def test_a_pickle_that_runs_code_is_refused(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return (print, ("this ran",))

        torch.save({"model": Evil()}, tmp_path / "evil.pth")
        with pytest.raises(ValueError, match="not a whole PyTorch checkpoint"):
            load_paq2piq(tmp_path / "evil.pth")


class TestFetching:
    def test_the_measure_fetches_once(self, network, checkpoint, cache, monkeypatch):
        content = checkpoint.read_bytes()
        images = torch.rand(2, 3, 40, 40)
        with served(monkeypatch, content, len(content)) as asked:
            measure = measures.resolve("paq2piq")
            assert not measure.needs_reference
            assert asked == [f"/v1.0/{NAME}"]
            with torch.no_grad():
                assert torch.equal(measure.score(images), network(images))
            measure.score(images)
            load_paq2piq()
            assert asked == [f"/v1.0/{NAME}"]
        assert (cache / NAME).read_bytes() == content
        assert left_in(cache) == [NAME]

    def test_a_download_that_breaks_off(self, checkpoint, cache, monkeypatch):
        content = checkpoint.read_bytes()
        with (
            served(monkeypatch, content[:100_000], len(content)),
            pytest.raises(ValueError, match=r"fetching it failed: .*IncompleteRead"),
        ):
            load_paq2piq()
        assert left_in(cache) == []

    @pytest.mark.parametrize("size", [0, 1_000, 3_000_000])
    def test_a_download_that_ends_early_unannounced(self, size, checkpoint, cache, monkeypatch):
        with (
            served(monkeypatch, checkpoint.read_bytes()[:size]),
            pytest.raises(ValueError, match=r"of no use and was not kept: .* not a whole PyTorch checkpoint"),
        ):
            load_paq2piq()
        assert left_in(cache) == []

    def test_not_found_and_no_server_say_what_to_do(self, cache, monkeypatch):
        remedy = rf"download http://127.* and save it as {cache / NAME}, or set HIRL_CACHE .*"
        with served(monkeypatch, b"", status=404), pytest.raises(ValueError, match=remedy + "404"):
            load_paq2piq()
        # The server is gone, its address is still the one to ask.
        with pytest.raises(ValueError, match=remedy + "refused") as refused:
            measures.resolve("paq2piq")
        assert len(str(refused.value).splitlines()) == 1
        assert left_in(cache) == []

    def test_a_file_put_there_by_hand_is_used(self, network, checkpoint, cache, monkeypatch):
        cache.mkdir()
        (cache / NAME).symlink_to(checkpoint)
        with served(monkeypatch, b"") as asked:
            assert torch.equal(load_paq2piq().head[8].weight, network.head[8].weight)
        assert asked == []


def test_a_blind_network_is_made_at_the_first_score_and_follows_its_images():
    made = []

    def make():
        made.append(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(48, 1)))
        return torch.nn.Sequential(made[0], torch.nn.Flatten(0))

    score = BlindNetwork(make)
    assert made == []
    images = torch.rand(2, 3, 4, 4)
    assert torch.equal(score(images), score(images, images))
    assert score(images.to("meta")).device.type == "meta"
    assert len(made) == 1
    assert not made[0].training
