"""The page to try the model: in a browser, and what else asks at `/`."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serve.running import Server
from tests.support import wait_until

selenium = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser")

APPLICATION = "mlberth_serve.wsgi:application"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HANDLER = """
import base64

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def model_fn(model_dir):
    return 1


def input_fn(body, content_type):
    return body, content_type


def predict_fn(data, model):
    return data


def output_fn(prediction, accept):
    body, content_type = prediction
    if content_type.startswith("image/"):
        return body, content_type
    if body == "picture":
        return PNG, "image/png"
    if body == "hostile":
        return '["<img src=x onerror=document.title=1>"]', "application/json"
    if body == "records":
        return '[{"label": "a", "score": 0.25}, {"label": "b", "score": 0.5}]', "application/json"
    raise ValueError(body)
"""


@pytest.fixture(scope="module")
def model_server(front: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve an estimator without code, with the page."""
    joblib, linear_model = pytest.importorskip("joblib"), pytest.importorskip("sklearn.linear_model")
    folder = tmp_path_factory.mktemp("page")
    (folder / "ml/model").mkdir(parents=True)
    model = linear_model.LinearRegression().fit([[0, 0], [1, 0], [0, 1]], [1, 3, 4])
    joblib.dump(model, folder / "ml/model/model.joblib")
    variables = {"SAGEMAKER_USE_NGINX": front, "SAGEMAKER_TRY_PAGE": "true"}
    with Server(folder, APPLICATION, SAGEMAKER_MODEL_SERVER_WORKERS="1", **variables) as server:
        yield server.wait_ready()


@pytest.fixture(scope="module")
def handler_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve a handler whose answers are of many kinds, with the page and a sample payload."""
    folder = tmp_path_factory.mktemp("handler")
    (folder / "ml/model/code").mkdir(parents=True)
    (folder / "ml/model/code/inference.py").write_text(HANDLER)
    (folder / "ml/model/code/sample-payload.csv").write_text("records")
    with Server(folder, APPLICATION, SAGEMAKER_MODEL_SERVER_WORKERS="1", SAGEMAKER_TRY_PAGE="true") as server:
        yield server.wait_ready()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start Chromium without a window."""
    driver = shutil.which("chromedriver")
    if not (driver and shutil.which("chromium")):
        if os.environ.get("MLBERTH_REQUIRE_NGINX") == "1":
            pytest.fail("chromium and chromium-driver are not installed")
        pytest.skip("chromium and chromium-driver are not installed")
    options = selenium.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,1000",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chromium = selenium.Chrome(options, selenium.ChromeService(driver))
    chromium.set_page_load_timeout(30)
    yield chromium
    chromium.quit()


class Page:
    """The page in a browser."""

    def __init__(self, browser: Any, server: Server) -> None:
        self.browser = browser
        browser.get(f"http://127.0.0.1:{server.port}/")
        wait_until(lambda: self.text("state") == "ready")

    def find(self, name: str) -> Any:
        """Return the element of an id."""
        return self.browser.find_element("id", name)

    def text(self, name: str) -> str:
        """Return what an element shows."""
        return str(self.find(name).text)

    def fill(self, name: str, value: str) -> None:
        """Type into a field."""
        self.find(name).clear()
        self.find(name).send_keys(value)

    def send(self, expected: str) -> None:
        """Send the request and wait for its status."""
        self.find("send").click()
        wait_until(lambda: re.match(expected, self.text("status")), message=expected)

    def faults(self) -> list[Any]:
        """Return the faults that the browser has logged: of the policy, of the script."""
        return [
            entry
            for entry in self.browser.get_log("browser")
            if entry["level"] == "SEVERE"
            and "favicon" not in entry["message"]
            and "invocations" not in entry["message"]
        ]


def test_browser_gets_the_page_and_others_the_routes(model_server: Server) -> None:
    """It is one document under a policy that lets nothing else in, for whoever asks for HTML."""
    page = model_server.request("GET", "/", headers=HTML)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert page.headers["Vary"] == "Accept"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert len(page.headers["X-Request-Id"]) == 32
    assert not re.search(rb'(src|href)="?http|@import', page.body)
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        routes = model_server.request("GET", "/", headers=accept)
        assert routes.headers["Content-Type"] == "application/json"
        assert "POST /invocations" in json.loads(routes.body)["routes"]
    assert (
        model_server.request("HEAD", "/", headers=HTML).headers["Content-Type"] == "text/html; charset=utf-8"
    )
    assert model_server.request("POST", "/", b"x", HTML).status == 405
    for path in ("/try.html", "/%20text/html", "/-/page"):
        assert model_server.request("GET", path, headers=HTML).status == 404


def test_openapi_has_a_row_of_the_models_width(model_server: Server) -> None:
    """A model that knows its columns gives an example that it can predict for."""
    document = json.loads(model_server.request("GET", "/openapi.json").body)
    content = document["paths"]["/invocations"]["post"]["requestBody"]["content"]
    assert content["text/csv"] == {"example": "0,0"}
    assert content["application/json"] == {"example": [[0, 0]]}
    assert content["application/x-npy"] == {}


def test_page_is_off_unless_asked_for(tmp_path: Path, front: str) -> None:
    """Without the variable a browser gets the routes, and nobody a sample payload."""
    (tmp_path / "ml/model/code").mkdir(parents=True)
    (tmp_path / "ml/model/code/inference.py").write_text(HANDLER)
    (tmp_path / "ml/model/code/sample-payload.csv").write_text("records")
    with Server(tmp_path, APPLICATION, SAGEMAKER_USE_NGINX=front) as server:
        server.wait_ready()
        answer = server.request("GET", "/", headers=HTML)
        assert answer.headers["Content-Type"] == "application/json"
        assert b"example" not in server.request("GET", "/openapi.json").body


def test_sample_is_there_and_predicted_for(model_server: Server, browser: Any) -> None:
    """Two clicks give a prediction, as a table with its number; the code beside it is the same request."""
    page = Page(browser, model_server)
    assert page.find("payload").get_attribute("value") == "0,0"
    page.fill("payload", "1,1\n0,0")
    page.send("200 OK in")
    cells = [cell.text for cell in page.find("answer").find_elements("css selector", "td")]
    assert [float(cell) for cell in cells] == pytest.approx([6, 1])
    assert "x-request-id" in page.find("header-table").get_attribute("textContent")
    assert f"curl 'http://127.0.0.1:{model_server.port}/invocations'" in page.text("code")
    for tab, line in (("python", "from urllib.request import"), ("boto3", 'client("sagemaker-runtime")')):
        browser.find_element("css selector", f"[data-code={tab}]").click()
        assert line in page.text("code")
        assert '"1,1\\n0,0".encode()' in page.text("code")
    assert page.faults() == []


def test_error_is_shown_as_it_is(model_server: Server, browser: Any) -> None:
    """A refused body shows its status and the reason."""
    page = Page(browser, model_server)
    page.fill("payload", "1,2,3")
    page.send("400 Bad Request in")
    assert "The model takes rows of 2 cells" in page.text("raw-text")


def test_python_lines_do_what_the_page_did(model_server: Server, browser: Any) -> None:
    """What is copied runs, and prints the answer."""
    page = Page(browser, model_server)
    page.fill("payload", "1,1")
    browser.find_element("css selector", "[data-code=python]").click()
    printed: list[Any] = []
    exec(page.text("code"), {"print": printed.append})
    assert float(json.loads(printed[0])[0]) == pytest.approx(6)


def test_answers_of_many_kinds(handler_server: Server, browser: Any, tmp_path: Path) -> None:
    """A picture is shown, records are a table with their names, and markup in an answer stays text."""
    page = Page(browser, handler_server)
    assert page.find("payload").get_attribute("value") == "records"
    page.send("200 OK in")
    heads = [cell.text for cell in page.find("answer").find_elements("css selector", "tr:first-child th")]
    assert heads == ["row", "label", "score"]
    page.fill("payload", "picture")
    page.send("200 OK in")
    wait_until(lambda: page.find("answer").find_elements("tag name", "img"))
    image = page.find("answer").find_element("tag name", "img")
    wait_until(lambda: browser.execute_script("return arguments[0].naturalWidth", image) == 1)
    page.fill("payload", "hostile")
    page.send("200 OK in")
    assert "<img src=x" in page.text("answer")
    assert browser.title == "Try the model"
    picture = tmp_path / "dot.png"
    picture.write_bytes(_png())
    page.find("file").send_keys(str(picture))
    wait_until(lambda: page.find("content-type").get_attribute("value") == "image/png")
    assert page.find("chosen-image").is_displayed()
    page.send("200 OK in")
    wait_until(lambda: page.find("answer").find_elements("tag name", "img"))
    assert page.faults() == []


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_page_fits_narrow_screens_and_both_schemes(
    model_server: Server, browser: Any, width: int, scheme: str, tmp_path: Path
) -> None:
    """Nothing is wider than the screen, and text stands out from its background."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page = Page(browser, model_server)
    page.send("200 OK in")
    browser.save_screenshot(str(tmp_path / "page.png"))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    colours = browser.execute_script(
        "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]"
    )
    light, dark = sorted((_luminance(colour) for colour in colours), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 7
    assert (_luminance(colours[0]) > 0.5) == (scheme == "dark")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_keyboard_alone_is_enough(model_server: Server, browser: Any) -> None:
    """Every control is reached by Tab, and Ctrl + Enter sends from the payload."""
    from selenium.webdriver import ActionChains, Keys

    page = Page(browser, model_server)
    reached = []
    for _ in range(9):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        reached.append(browser.switch_to.active_element.get_attribute("id"))
    assert {"content-type", "accept", "payload", "file", "sample", "send", "copy"} <= set(reached)
    page.find("payload").send_keys(Keys.CONTROL, Keys.ENTER)
    wait_until(lambda: page.text("status").startswith("200"))


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _png() -> bytes:
    namespace: dict[str, Any] = {}
    exec(HANDLER, namespace)
    return bytes(namespace["PNG"])
