import pytest

from hirl_env.data.datasets import DATASETS
from hirl_env.data.photographs import image_sources
from tests.hirl_env.data.pictures import save


@pytest.mark.parametrize("name", DATASETS)
def test_an_absent_data_set_says_what_to_download_and_where_to_put_it(name, tmp_path, monkeypatch):
    monkeypatch.delenv("HIRL_DATA", raising=False)
    with pytest.raises(ValueError, match=r"download it from https://.*HIRL_DATA"):
        image_sources.resolve(name)
    monkeypatch.setenv("HIRL_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"download it from https://") as caught:
        image_sources.resolve(name)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("div2k-train", ["DIV2K/DIV2K_train_HR/0001.png"]),
        ("div2k-valid", ["DIV2K/DIV2K_valid_HR/0801.png"]),
        ("bsds500-train", ["BSR/BSDS500/data/images/train/100075.jpg"]),
        ("bsds500-test", ["BSR/BSDS500/data/images/test/100007.jpg"]),
        ("cbsd68", ["CBSD68/original_png/0000.png"]),
        ("kodak24", ["Kodak24/kodim01.png"]),
    ],
)
def test_reference_data_sets_in_their_official_layout(name, files, tmp_path, monkeypatch):
    for file in files:
        save(tmp_path / file)
    monkeypatch.setenv("HIRL_DATA", str(tmp_path))
    (picture,) = image_sources.resolve(name)
    assert picture.reference.shape == (10, 12, 3)
    assert picture.distorted is None


def test_csiq_pairs_references_with_distorted_pictures(tmp_path, monkeypatch):
    save(tmp_path / "CSIQ/src_imgs/boston.png", 100)
    for distortion, suffix in {"awgn": "AWGN", "jpeg": "JPEG", "blur": "BLUR"}.items():
        for level in (1, 2):
            save(tmp_path / f"CSIQ/dst_imgs/{distortion}/boston.{suffix}.{level}.png", 100 + level)
    monkeypatch.setenv("HIRL_DATA", str(tmp_path))
    pictures = list(image_sources.resolve("csiq-jpeg"))
    assert [picture.name for picture in pictures] == ["boston.JPEG.1", "boston.JPEG.2"]
    assert [(picture.reference[0, 0, 0], picture.distorted[0, 0, 0]) for picture in pictures] == [
        (100, 101),
        (100, 102),
    ]
    assert len(image_sources.resolve("csiq")) == 6


def test_clive_has_no_references_and_leaves_out_its_training_pictures(tmp_path):
    save(tmp_path / "Images/1.png")
    save(tmp_path / "Images/trainingImages/t1.png")
    (picture,) = DATASETS["clive"].open(tmp_path)
    assert picture.reference is None
    assert picture.distorted.shape == (10, 12, 3)
