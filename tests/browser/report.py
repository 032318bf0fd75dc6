"""Opens a report in Chromium as a person would: filters, hovers, drills down, turns the light off; with screenshots.

    apt-get install chromium && pip install playwright
    effsweep report SWEEP --output report.html
    python tests/browser/report.py report.html [FOLDER FOR SCREENSHOTS]
"""

import os
import shutil
import sys

from playwright.sync_api import sync_playwright


def chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return shutil.which(name)
    sys.exit("no Chromium on this machine")


def main():
    report, folder = os.path.abspath(sys.argv[1]), (sys.argv[2:] or ["."])[0]
    requests, errors = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000}, color_scheme="light")
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.goto("file://" + report)
        page.wait_for_selector("#rows tbody tr")
        page.screenshot(path=os.path.join(folder, "report-light.png"), full_page=True)
        account = page.evaluate("effsweep.account")
        rows = len(account["rows"])
        assert int(page.evaluate("document.body.dataset.rows")) == rows

        # Filters: without the first value of the first axis, exactly the rows without it are left, in the table, too.
        axis = account["axes"][0]
        page.locator(f'#filters input[name="{axis["name"]}"]').first.dispatch_event("click")
        left = sum(row["axes"][axis["name"]] != axis["values"][0] for row in account["rows"])
        assert 0 < left < rows
        assert int(page.evaluate("document.body.dataset.rows")) == left
        assert page.locator("#rows tbody tr").count() == min(left, 500)
        points = page.evaluate(
            "effsweep.charts['figure-front'].getOption().series.filter(s => s.type === 'scatter')"
            ".reduce((sum, s) => sum + s.data.length, 0)"
        )
        assert points <= left
        page.locator(f'#filters input[name="{axis["name"]}"]').first.dispatch_event("click")

        # Hover: the tip names the configuration and its accuracy.
        place = page.evaluate(
            """() => {
                const chart = effsweep.charts['figure-front'];
                const all = chart.getOption().series;
                const index = all.findIndex(s => s.type === 'scatter' && s.data.length);
                const at = chart.convertToPixel({ seriesIndex: index }, all[index].data[0].value);
                const box = chart.getDom().getBoundingClientRect();
                return [box.left + at[0], box.top + at[1], all[index].data[0].name];
            }"""
        )
        page.evaluate("document.getElementById('figure-front').scrollIntoView({ block: 'center' })")
        box = page.locator("#figure-front").bounding_box()
        before = page.evaluate("document.getElementById('figure-front').getBoundingClientRect().top")
        inside = page.evaluate(
            """() => {
                const chart = effsweep.charts['figure-front'];
                const all = chart.getOption().series;
                const index = all.findIndex(s => s.type === 'scatter' && s.data.length);
                return chart.convertToPixel({ seriesIndex: index }, all[index].data[0].value);
            }"""
        )
        x, y = box["x"] + inside[0], before + inside[1]
        page.mouse.move(x - 3, y - 3)
        page.mouse.move(x, y)
        page.wait_for_selector(".tip")
        tip = page.locator(".tip").inner_text()
        assert "top-1 accuracy" in tip and "seeds" in tip, tip
        page.screenshot(path=os.path.join(folder, "report-hover.png"))

        # Drill down, from the point and from the table.
        page.mouse.click(x, y)
        page.wait_for_selector("#drill[open]")
        assert page.locator("#drill-trials tbody tr").count() >= 1
        page.screenshot(path=os.path.join(folder, "report-drill.png"))
        page.keyboard.press("Escape")
        page.locator("#rows tbody tr").first.click()
        page.wait_for_selector("#drill[open]")
        page.keyboard.press("Escape")

        # Sorting by a column turns over at the second click.
        head = page.locator("#rows thead th").first
        head.click()
        first = page.locator("#rows tbody tr td").first.inner_text()
        page.locator("#rows thead th").first.click()
        assert page.locator("#rows tbody tr td").first.inner_text() != first

        # Dark.
        page.locator("#theme").click()
        page.evaluate("window.scrollTo(0, 0)")
        page.screenshot(path=os.path.join(folder, "report-dark.png"), full_page=True)
        browser.close()
    assert not errors, errors
    assert all(url.startswith(("file://", "data:")) for url in requests), requests
    size = os.path.getsize(report)
    print(f"{report}: {size / 1e6:.2f} MB, {rows} rows; filtered, hovered, drilled down, sorted, dark: all well")


if __name__ == "__main__":
    main()
