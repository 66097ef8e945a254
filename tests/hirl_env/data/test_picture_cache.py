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
