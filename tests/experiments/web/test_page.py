"""`hirl web` as a person uses it, in Chromium without a window. With HIRL_SCREENSHOTS, pictures of it go there."""

import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("there is no Chromium", allow_module_level=True)

REPOSITORY = Path(__file__).parents[3]
PATIENCE = 1800  # seconds: nothing is measured here, and a machine may be busy otherwise


@pytest.fixture(scope="module")
def address(
    tmp_path_factory,
) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.experiments.web.serve_toy", str(port), str(tmp_path_factory.mktemp("web"))]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        while process.poll() is None:
            with socket.socket() as asked:
                asked.settimeout(1)
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.5)
        else:
            pytest.fail(process.communicate()[0])
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def page(address):
    with playwright.sync_playwright() as started:
        patience = 1000 * PATIENCE
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=patience)
        asked: list[str] = []
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(patience)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.wait_for_selector("#file")
        yield page
        outside = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
        assert outside == [], "it works without a network"
        browser.close()


@pytest.fixture
def picture(tmp_path) -> Path:
    """A JPEG with EXIF, of level 100."""
    exif = Image.Exif()
    exif[0x010F] = "A maker"
    path = tmp_path / "holiday.jpg"
    Image.new("RGB", (120, 90), (100, 100, 100)).save(path, exif=exif.tobytes(), quality=95)
    return path


def drop(page, path: Path) -> None:
    page.set_input_files("#file input[type=file]", str(path))


def steps(page, *captions: str) -> None:
    """Waits until the path is what it should be."""
    wanted = json.dumps([f"{number}: {caption}" for number, caption in enumerate(captions)])
    page.wait_for_function(
        f"""() => {{
            const wanted = {wanted};
            const seen = [...document.querySelectorAll('#path .caption-label')].map(each => each.textContent.trim());
            return seen.length === wanted.length && wanted.every((text, index) => seen[index].startsWith(text));
        }}"""
    )


def downloaded(page, wanted: float) -> Image.Image:
    """The result, as soon as it has the level that it should have: it may follow the path that is shown."""
    end = time.monotonic() + PATIENCE
    while True:
        with page.expect_download() as started:
            page.click("#download")
        assert started.value.suggested_filename == "holiday-restored.jpg"
        image = Image.open(io.BytesIO(Path(started.value.path()).read_bytes()))
        if abs(level(image) - wanted) < 1.5:
            return image
        assert time.monotonic() < end, f"the level is {level(image)}"
        page.wait_for_timeout(200)


def level(image: Image.Image) -> float:
    return float(np.asarray(image.convert("L")).mean())


def screenshot(page, name: str) -> None:
    if folder := os.environ.get("HIRL_SCREENSHOTS"):
        page.wait_for_timeout(1500)
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


@pytest.mark.slow
def test_a_picture_is_restored_a_step_undone_another_taken_and_the_result_downloaded(page, picture):
    drop(page, picture)
    steps(page, "as given", "add +8", "add +8", "add +8")
    assert "the agent would stop here" in page.inner_text("#values")
    screenshot(page, "restored")
    assert downloaded(page, 124).getexif()[0x010F] == "A maker"

    page.click("#undo")
    steps(page, "as given", "add +8", "add +8")
    assert "the agent would take add +8" in page.inner_text("#values")
    downloaded(page, 116)

    page.click("#tool input")
    page.get_by_role("option", name="add -16").click()
    page.click("#take")
    steps(page, "as given", "add +8", "add +8", "add -16")
    page.locator("#path .thumbnail-item").nth(1).click()
    page.wait_for_selector("#values >> text=After step 1")
    page.keyboard.press("Escape")
    page.check("#map input")
    page.click("#go-on")
    steps(page, "as given", "add +8", "add +8", "add -16", "add +8", "add +8", "add +8")
    screenshot(page, "by-hand")
    downloaded(page, 124)


@pytest.mark.slow
def test_a_part_of_the_change_by_mouse_keyboard_and_number(page, picture):
    drop(page, picture)
    steps(page, "as given", "add +8", "add +8", "add +8")
    page.fill("#strength input[type=number]", "0.5")
    page.keyboard.press("Tab")
    downloaded(page, 112)
    page.focus("#strength input[type=range]")
    page.keyboard.press("Home")
    assert level(downloaded(page, 100)) == 100, "the file as it was"
    page.click("#strength button")
    downloaded(page, 124)
    box = page.locator("#strength input[type=range]").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    downloaded(page, 106)


SEEN_IN_THE_PATH = """caption => {
    caption.scrollIntoView({block: "center"});
    const room = document.querySelector("#path").getBoundingClientRect(), seen = caption.getBoundingClientRect();
    return room.left < seen.left && seen.right < room.right && room.top < seen.top && seen.bottom < room.bottom;
}"""


@pytest.mark.slow
def test_captions_are_seen_however_many_steps_there_are(page, tmp_path):
    for given, count in ((130, 1), (112, 2), (60, 8)):
        path = tmp_path / f"{given}.png"
        Image.new("RGB", (60, 90), (given,) * 3).save(path)
        page.reload()
        page.wait_for_selector("#file")
        drop(page, path)
        steps(page, "as given", *["add +8"] * (count - 1))
        captions = page.locator("#path .caption-label").all()
        assert len(captions) == count
        for each in captions:
            page.wait_for_function(SEEN_IN_THE_PATH, arg=each.element_handle())  # pictures move it while they load


@pytest.mark.slow
def test_a_file_that_is_no_picture_or_too_large_is_said(page, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    Image.new("L", (1000, 1000)).save(tmp_path / "large.png")
    drop(page, tmp_path / "broken.png")
    page.wait_for_selector("text=broken.png: not a readable picture")
    page.reload()
    page.wait_for_selector("#file")
    drop(page, tmp_path / "large.png")
    page.wait_for_selector("text=more than the 200000 that are allowed")
    screenshot(page, "refused")


def test_no_file_of_the_machine_can_be_read_through_it(address, picture):
    for path in ("/etc/passwd", str(picture), str(REPOSITORY / "setup.cfg"), "../../../../etc/passwd", "setup.cfg"):
        for route in ("/gradio_api/file=", "/file=", "/gradio_api/stream/", "/static/", "/assets/"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{address}{route}{path}", timeout=PATIENCE)
            assert refused.value.code in (400, 403, 404, 405), path


def test_a_path_of_the_machine_is_not_taken_for_an_upload(address, picture):
    """Nor does anybody but the page call what its buttons do."""
    data = {"data": [{"path": str(picture), "meta": {"_type": "gradio.FileData"}}], "fn_index": 0, "session_hash": "x"}
    for route in ("/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/call/opened"):
        request = urllib.request.Request(
            f"{address}{route}", json.dumps(data).encode(), {"Content-Type": "application/json"}
        )
        try:
            answer = urllib.request.urlopen(request, timeout=PATIENCE).read().decode()
        except urllib.error.HTTPError as refused:
            assert refused.code in (403, 404, 405, 422, 500), route
            continue
        event = json.loads(answer).get("event_id")
        assert event, answer
        stream = urllib.request.urlopen(f"{address}/gradio_api/queue/data?session_hash=x", timeout=PATIENCE)
        for line in stream:
            if b"process_completed" in line:
                assert b'"success": false' in line or b'"success":false' in line
                break


def test_uploads_are_bounded(address):
    body = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        + bytes(2**21)
        + b"\r\n--x--\r\n"
    )
    request = urllib.request.Request(
        f"{address}/gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=x"}
    )
    with pytest.raises((urllib.error.HTTPError, ConnectionError, urllib.error.URLError)):
        urllib.request.urlopen(request, timeout=PATIENCE)
