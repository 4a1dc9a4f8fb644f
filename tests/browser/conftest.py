"""A real JupyterLab, and a real browser on it."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, sync_playwright

TOKEN = "for-this-test-only"
CODE_CELL = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-CodeCell"
HERE = re.compile(r"(http|ws)://127\.0\.0\.1[:/]|file:|data:|blob:")
"""Addresses of what is on this machine."""
CHROMIUM = shutil.which(os.environ.get("CHROMIUM", "chromium"))


@pytest.fixture(scope="module")
def browser():
    """Closed after each file, because Playwright's event loop would be in the way of other tests' loops."""
    if CHROMIUM is None:
        message = "no chromium: install it, or set CHROMIUM to a Chromium or Chrome"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


class Lab:
    """A JupyterLab server, and notebooks in it."""

    def __init__(self, url, directory, home):
        self.url = url
        self.directory = directory
        self.home = home
        """Where the jobs of its notebooks are."""

    def open(self, page, name, cells, *, theme="JupyterLab Light"):
        """Write a notebook of code cells and open it, with a fresh notebook kernel."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}},
        )
        nbformat.write(notebook, self.directory / f"{name}.ipynb")
        self.open_again(page, name, theme=theme)

    def open_again(self, page, name, *, theme="JupyterLab Light"):
        """Open a notebook as it was saved, with a fresh notebook kernel."""
        self._stop_notebook_kernels()
        page.goto(f"{self.url}/lab/tree/{name}.ipynb?reset&token={TOKEN}")
        page.wait_for_selector(CODE_CELL)
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        self.wait_until_idle(page)

    def reload(self, page):
        """Load the page again, with the notebook kernel that the notebook has."""
        page.reload()
        page.wait_for_selector(CODE_CELL)
        self.wait_until_idle(page)

    @staticmethod
    def wait_until_idle(page):
        """Wait until the notebook kernel of what is open has nothing to do."""
        current = "window.jupyterapp.shell.currentWidget"
        page.wait_for_function(f"() => {current}.sessionContext.session?.kernel?.status === 'idle'")

    @staticmethod
    def command(page, name):
        """Execute a command of JupyterLab, without waiting for its end."""
        page.evaluate("name => { window.jupyterapp.commands.execute(name) }", name)

    def save(self, page):
        """Save the notebook that is open."""
        self.command(page, "docmanager:save")
        page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")

    def _stop_notebook_kernels(self):
        for kernel in self._request("GET", "/api/kernels"):
            self._request("DELETE", f"/api/kernels/{kernel['id']}")

    def _request(self, method, path):
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}{path}", method=method, headers={"Authorization": f"token {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return json.loads(response.read() or b"null")


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    directory = tmp_path_factory.mktemp("lab")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (directory / "overrides").mkdir()
    overrides = directory / "overrides" / "overrides.json"
    overrides.write_text(json.dumps(settings), "utf-8")
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(directory / "config"),
        "JUPYTER_DATA_DIR": str(directory / "data"),
        "JUPYTER_RUNTIME_DIR": str(directory / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(directory / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(directory / "workspaces"),
        "IPYTHONDIR": str(directory / "ipython"),
        "GPT_NOTEBOOK_RUNTIME_DIR": str(directory / "run"),
        "GPT_NOTEBOOK_HOME": str(directory / "home"),
    }
    notebooks = directory / "notebooks"
    notebooks.mkdir()
    arguments = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"),
        *(f"--notebook-dir={notebooks}", f"--LabApp.app_settings_dir={directory / 'overrides'}"),
    ]
    log = (directory / "lab.log").open("wb")
    server = subprocess.Popen(arguments, env=environment, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, server, directory / "lab.log")
        yield Lab(url, notebooks, directory / "home")
    finally:
        server.terminate()
        server.wait(20)
        log.close()
        subprocess.run(
            [sys.executable, "-m", "gpt_notebook", "stop", "--force"], env=environment, check=True, timeout=60
        )


def _wait_for(url, server, log: Path):
    """Wait until the server answers; retrying a refused connection is the only way to see it come up."""
    for _ in range(600):
        assert server.poll() is None, log.read_text("utf-8")
        with contextlib.suppress(OSError):
            request = urllib.request.Request(f"{url}/api/status", headers={"Authorization": f"token {TOKEN}"})  # noqa: S310
            with urllib.request.urlopen(request, timeout=10):  # noqa: S310
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(0.1)
    pytest.fail(log.read_text("utf-8"))


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1100, "height": 900})
    page: Page = context.new_page()
    page.set_default_timeout(60_000)
    page.console_errors = []
    page.on("console", lambda message: page.console_errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.console_errors.append(str(error)))
    page.asked_elsewhere = []
    page.on("request", lambda request: None if HERE.match(request.url) else page.asked_elsewhere.append(request.url))
    yield page
    context.close()
