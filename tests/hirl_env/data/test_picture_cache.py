import threading
from concurrent.futures import ThreadPoolExecutor

from hirl_env.data.images import read_image
from hirl_env.data.picture_cache import PictureCache
from tests.hirl_env.data.pictures import save


def test_the_cache_reads_once_and_makes_room_for_what_is_new(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        save(path)
    cache = PictureCache(2 * 12 * 10 * 3)
    first, second = cache.read(paths[0]), cache.read(paths[1])
    assert cache.read(paths[0]) is first
    third = cache.read(paths[2])
    assert cache.read(paths[2]) is third
    assert cache.read(paths[1]) is second
    assert cache.read(paths[0]) is not first


def test_threads_that_read_the_same_picture_take_room_for_it_once(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save(path)
    both = threading.Barrier(2)

    def read(path):
        both.wait(60)  # until both have missed it
        return read_image(path)

    monkeypatch.setattr("hirl_env.data.picture_cache.read_image", read)
    cache = PictureCache(12 * 10 * 3)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(cache.read, [path, path]))
    assert cache.read(path) is cache.read(path)
