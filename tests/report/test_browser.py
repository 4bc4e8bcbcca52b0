"""The report in a real browser: nothing from outside runs or loads, tables sort by keyboard, it fits a phone."""

import itertools
import json
import shutil

import pytest
from hostile import HOSTILE

CHROMIUM = next((path for path in map(shutil.which, ("chromium", "chromium-browser")) if path), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip
TEXTS = [text.encode("utf-8", "replace").decode() for text in HOSTILE.values()]


@pytest.fixture(scope="module")
def page(make_page, tmp_path_factory):
    """A report in which every text is one of the hostile ones, in turn."""
    folder = tmp_path_factory.mktemp("page")
    path = folder / "report.html"
    path.write_text(make_page(folder / "ws", itertools.cycle(TEXTS).__next__), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    options.set_capability("unhandledPromptBehavior", "ignore")
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, page):
    browser.get_log("performance")
    browser.get_log("browser")
    browser.get(page)
    return browser


def test_nothing_runs_loads_or_complains(opened, page):
    from selenium.common.exceptions import NoAlertPresentException

    with pytest.raises(NoAlertPresentException):
        opened.switch_to.alert.accept()
    assert opened.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [found["params"]["request"]["url"] for found in messages if found["method"] == "Network.requestWillBeSent"]
    assert page in asked
    assert [url for url in asked if url != page and not url.startswith("data:")] == []
    assert not [found for found in messages if found["method"] == "Page.javascriptDialogOpening"]


def test_it_opens_within_a_second(opened):
    times = opened.execute_script("return performance.getEntriesByType('navigation')[0].toJSON()")
    assert 0 < times["loadEventEnd"] < 1000


def test_a_script_that_slipped_in_would_not_run(opened):
    opened.execute_script(
        "const script = document.createElement('script'), bold = document.createElement('b');"
        "script.textContent = 'window.slipped = 1'; bold.setAttribute('onclick', 'window.slipped = 1');"
        "document.body.append(script, bold); bold.click();"
    )
    assert opened.execute_script("return window.slipped === undefined")
    assert "Content Security Policy" in opened.get_log("browser")[0]["message"]


def column(browser, place):
    script = (
        "return [...document.querySelectorAll('#comparison tbody')[0].rows].map(r => r.cells[arguments[0]].textContent)"
    )
    return browser.execute_script(script, place)


def test_tables_sort_by_keyboard_and_say_how(opened):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    head = opened.find_elements(By.CSS_SELECTOR, "#comparison thead th")[2]
    before = column(opened, 2)
    assert before != sorted(before)
    opened.execute_script("arguments[0].focus()", head.find_element(By.TAG_NAME, "button"))
    opened.switch_to.active_element.send_keys(Keys.ENTER)
    assert column(opened, 2) == sorted(before)
    assert head.get_attribute("aria-sort") == "ascending"
    opened.switch_to.active_element.send_keys(Keys.SPACE)
    assert column(opened, 2) == sorted(before, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"


def test_the_skip_link_is_first_and_leads_to_the_report(opened):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    opened.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    link = opened.switch_to.active_element
    assert link.get_attribute("class") == "skip"
    assert link.location["x"] >= 0
    link.send_keys(Keys.ENTER)
    assert opened.execute_script("return document.activeElement.id") == "main"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_never_scrolls_sideways(opened, width):
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    opened.execute_script("document.querySelectorAll('details').forEach(found => found.open = true)")
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


# Contrast of every text with the colour behind it (WCAG 2.2, 1.4.3), worst first. Plots: text is filled, not coloured.
CONTRAST = """
const channel = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const parse = (text) => {
  const found = text.match(/[\\d.]+/g).map(Number);
  return {rgb: found.slice(0, 3), alpha: found[3] ?? 1};
};
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((v) => channel(v / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (node) => {
  for (; node; node = node.parentElement) {
    const found = parse(getComputedStyle(node).backgroundColor);
    if (found.alpha > 0) return found.rgb;
  }
};
const rows = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const text = walk.currentNode.textContent.trim(), node = walk.currentNode.parentElement;
  if (!text || ["SCRIPT", "STYLE", "TITLE", "title"].includes(node.tagName)) continue;
  const style = getComputedStyle(node);
  const colour = parse(node.namespaceURI.endsWith("svg") ? style.fill : style.color).rgb;
  const [low, high] = [luminance(colour), luminance(behind(node))].sort((a, b) => a - b);
  rows.push([(high + 0.05) / (low + 0.05), text.slice(0, 40), style.color]);
}
return rows.sort((a, b) => a[0] - b[0]);
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_modes(opened, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    opened.execute_script("document.querySelectorAll('details').forEach(found => found.open = true)")
    found = opened.execute_script(CONTRAST)
    assert len(found) > 200
    assert found[0][0] >= 4.5, found[:5]
    back = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, back.strip("rgb()").split(","))) > 380) == (scheme == "light")
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
